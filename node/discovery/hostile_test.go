package discovery

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// flood sends packets to the actor from many addresses, as fast as its socket takes them.
func (s *stage) flood(n int, next func(i int) ([]byte, netip.AddrPort)) {
	s.net.mu.Lock()
	to := s.net.ends[netip.MustParseAddrPort(stageAddr)]
	s.net.mu.Unlock()
	for i := range n {
		data, from := next(i)
		to.in <- packet{data, from}
	}
}

// send lets one packet of junk come from an address.
func (s *stage) send(from string) {
	s.flood(1, func(int) ([]byte, netip.AddrPort) { return junk(100), netip.MustParseAddrPort(from) })
}

// strangerNo gives the i-th public address.
func strangerNo(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, byte(i >> 16), byte(i >> 8), byte(i)}), 30303)
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func junk(size int) []byte {
	b := make([]byte, size)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return b
}

// v4Signed makes a packet of v4 whose signature is right, which is what costs most to find
// out, and whose type nobody knows. (A ping would have us ping back, and after 32 of
// those without answer the library asks pool.ntp.org.)
func v4Signed(t *testing.T) []byte {
	t.Helper()
	body := append([]byte{0x99}, junk(64)...)
	signature, err := crypto.Sign(crypto.Keccak256(body), fixture.Key(t))
	if err != nil {
		t.Fatal(err)
	}
	signed := append(signature, body...)
	return append(crypto.Keccak256(signed), signed...)
}

// v5Unknown makes a packet of v5 whose sender we don't know, which we would answer with a
// challenge.
func v5Unknown(t *testing.T, to *enode.LocalNode) []byte {
	t.Helper()
	key := fixture.Key(t)
	l := newLocal(t, key, "8.8.8.8:30303")
	defer l.Database().Close()
	c := v5wire.NewCodec(l, key, newLibraryClock(supervise.SystemClock), nil)
	b, _, err := c.Encode(to.ID(), stageAddr, &v5wire.Ping{ReqID: []byte{1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Junk and well-formed packets of ever new strangers, 60,000 in a minute, leave lookups
// alone, and the memory.
func TestFloodStopsNoLookup(t *testing.T) {
	const ticks, each = 600, 100
	var v4, v5 *remote
	perform(t, func(s *stage, c *Config) {
		v4, v5 = s.addV4("10.0.0.4:30303"), s.addV5("10.0.0.5:30303")
		c.V4, c.V5 = true, true
		c.Bootnodes, c.BootnodesV5 = []*enode.Node{v4.node()}, []*enode.Node{v5.node()}
	}, func(s *stage) {
		s.ask(MaxCredit)
		got := len(s.candidates(2))
		kinds := [][]byte{junk(300), junk(40), junk(1281), v4Signed(t), v5Unknown(t, s.local)}
		before := heap()
		for tick := range ticks {
			s.flood(each, func(i int) ([]byte, netip.AddrPort) {
				i += tick * each
				return kinds[i%len(kinds)], strangerNo(i / 4)
			})
			time.Sleep(time.Minute / ticks)
		}
		after := heap()
		meanwhile := len(s.candidates(got)) - got
		st := s.status()
		t.Logf("%d packets; heap %d KiB before, %d KiB after; dropped %v; %d candidates meanwhile", ticks*each, before>>10, after>>10, st.Dropped, meanwhile)
		if grown := after - before; grown > 16<<20 {
			t.Errorf("the heap grew by %d KiB", grown>>10)
		}
		if meanwhile < 4 { // two nodes, each again after 20 s at the latest
			t.Errorf("%d candidates in a minute, want 4 at least", meanwhile)
		}
		// Who doesn't answer is out of the table within that minute.
		if st.V4.Live < 1 || st.V5.Live < 1 {
			t.Errorf("live nodes: %d of v4, %d of v5", st.V4.Live, st.V5.Live)
		}
		if _, err := v4.v4.Ping(s.local.Node()); err != nil {
			t.Errorf("a v4 node that knows us gets no answer: %v", err)
		}
		if _, err := v5.v5.Ping(s.local.Node()); err != nil {
			t.Errorf("a v5 node that knows us gets no answer: %v", err)
		}
		if st.Dropped[DroppedSize] != ticks*each*2/5 || st.Dropped[DroppedStrangers] == 0 {
			t.Errorf("dropped %v", st.Dropped)
		}
	})
}

// A packet from a public address that we had sent nothing to is proof that we are reached.
func TestInboundIsTold(t *testing.T) {
	perform(t, func(s *stage, c *Config) { c.V4, c.V5 = true, true }, func(s *stage) {
		send := func(from string) {
			s.send(from)
			time.Sleep(time.Second)
		}
		send("10.0.0.9:1")
		send("127.0.0.1:1")
		send("8.8.8.1:1")
		for range 3 {
			send("8.8.8.2:1") // too soon after the last one
		}
		time.Sleep(reachedEvery)
		send("8.8.8.3:1")
		s.status()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.inbound) != 2 || s.inbound[0].Addr().String() != "8.8.8.1" || s.inbound[1].Addr().String() != "8.8.8.3" {
			t.Errorf("told of %v, want 8.8.8.1 and 8.8.8.3", s.inbound)
		}
	})
}

// An address that we have written to proves nothing.
func TestInboundIsNotAnAnswer(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4("8.8.8.8:30303")
		c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
	}, func(s *stage) {
		s.ask(1)
		s.candidates(1)
		time.Sleep(time.Minute)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.inbound) != 0 {
			t.Errorf("told of %v, which answered us", s.inbound)
		}
	})
}

// badConn fails to read a number of times.
type badConn struct {
	*simEnd
	mu   sync.Mutex
	left int
}

type passing struct{ error }

func (passing) Temporary() bool { return true }

func (c *badConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	if c.left--; c.left >= 0 {
		defer c.mu.Unlock()
		return 0, netip.AddrPort{}, passing{errors.New("no buffer space")}
	}
	c.mu.Unlock()
	return c.simEnd.ReadFromUDPAddrPort(b)
}

// Reads that fail don't end it, also not with v5, and are told once.
func TestSocketTrouble(t *testing.T) {
	var log actortest.Log
	perform(t, func(s *stage, c *Config) {
		boot := s.addV5("10.0.0.5:30303")
		c.V5, c.BootnodesV5, c.Logger = true, []*enode.Node{boot.node()}, slog.New(slog.NewTextHandler(&log, nil))
		c.Conns = []discover.UDPConn{&badConn{simEnd: c.Conns[0].(*simEnd), left: readPatience + 2}}
	}, func(s *stage) {
		s.ask(3)
		s.candidates(3)
		if st := s.status(); st.V5.Live != 1 {
			t.Error("the bootnode's answers don't arrive")
		}
		if n := len(log.Lines("trouble with its socket")); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
	})
}

func TestSocketClosedByOthers(t *testing.T) {
	var log actortest.Log
	perform(t, func(s *stage, c *Config) { c.V4, c.Logger = true, slog.New(slog.NewTextHandler(&log, nil)) }, func(s *stage) {
		if err := s.net.ends[netip.MustParseAddrPort(stageAddr)].Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if n := len(log.Lines("the socket was closed")); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
	})
}

// Panics in what the configuration brought along are crashes of the actor, and it goes on.
func TestPanicsAreRestarts(t *testing.T) {
	var once sync.Once
	crash := func() { once.Do(func() { panic("injected by the test") }) }
	for name, edit := range map[string]func(*Config){
		"want":    func(c *Config) { c.Want = func() func(*enode.Node) bool { crash(); return nil } },
		"inbound": func(c *Config) { c.Inbound = func(netip.AddrPort) { crash() } },
	} {
		t.Run(name, func(t *testing.T) {
			once = sync.Once{}
			perform(t, func(s *stage, c *Config) {
				boot := s.addV4("10.0.0.4:30303")
				c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
				edit(c)
			}, func(s *stage) {
				s.send("8.8.8.1:1")
				s.ask(2)
				s.candidates(2)
				if n := s.restarts(); n != 1 {
					t.Errorf("%d restarts, want 1", n)
				}
			})
		})
	}
}

// Leave ends everything soon, in the middle of lookups among nodes that don't answer.
func TestLeaveIsSoon(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		c.V4, c.V5 = true, true
		// Not more of them: after 32 queries without answer the library asks pool.ntp.org.
		for i := range 2 {
			ghost := enode.NewV4(&fixture.Key(t).PublicKey, strangerNo(i).Addr().AsSlice(), 30303, 30303)
			c.Bootnodes, c.BootnodesV5 = append(c.Bootnodes, ghost), append(c.BootnodesV5, ghost)
		}
	}, func(s *stage) {
		s.ask(100)
		time.Sleep(300 * time.Millisecond) // less than it takes to give one up
		at := time.Now()
		s.root.Send(s.pid, &Leave{})
		<-s.stopped
		if took := time.Since(at); took > leaveTime {
			t.Errorf("left after %v, want less than %v", took, leaveTime)
		} else {
			t.Logf("left after %v", took)
		}
	})
}

// A plain stop closes the socket as well.
func TestStopClosesTheSocket(t *testing.T) {
	perform(t, func(_ *stage, c *Config) { c.V4, c.V5 = true, true }, func(s *stage) {
		s.root.Stop(s.pid)
		<-s.stopped
		if len(s.net.ends) != 0 {
			t.Errorf("%d sockets are open", len(s.net.ends))
		}
	})
}
