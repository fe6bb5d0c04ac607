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

// send sends one packet of junk to the actor from an address.
func (s *stage) send(from string) {
	s.flood(1, func(int) ([]byte, netip.AddrPort) { return junk(100), netip.MustParseAddrPort(from) })
}

// strangerNo returns the i-th public address.
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

// v4Signed returns a v4 packet with a valid signature, which is the most expensive part to check,
// and an unknown type. (A ping would make the node ping back, and after 32 unanswered queries the
// library asks pool.ntp.org.)
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

// v5Unknown returns a v5 packet from an unknown sender, which the node would answer with a
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

// TestFloodStopsNoLookup: 60,000 packets in a minute, junk and well-formed ones, always from new
// strangers, affect neither lookups nor memory.
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
		if meanwhile < 4 { // two nodes, each found again after at most 20 s
			t.Errorf("%d candidates in a minute, want at least 4", meanwhile)
		}
		// A node that doesn't answer is removed from the table within that minute.
		if st.V4.Live < 1 || st.V5.Live < 1 {
			t.Errorf("live nodes: %d of v4, %d of v5", st.V4.Live, st.V5.Live)
		}
		if _, err := v4.v4.Ping(s.local.Node()); err != nil {
			t.Errorf("a known v4 node gets no answer: %v", err)
		}
		if _, err := v5.v5.Ping(s.local.Node()); err != nil {
			t.Errorf("a known v5 node gets no answer: %v", err)
		}
		if st.Dropped[DroppedSize] != ticks*each*2/5 || st.Dropped[DroppedStrangers] == 0 {
			t.Errorf("dropped %v", st.Dropped)
		}
	})
}

// TestInboundIsReported: a packet from a public address to which this node had sent nothing proves
// that the node is reachable.
func TestInboundIsReported(t *testing.T) {
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
			t.Errorf("reported %v, want 8.8.8.1 and 8.8.8.3", s.inbound)
		}
	})
}

// TestInboundIsNotAnAnswer: a packet from an address to which this node has written proves nothing.
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
			t.Errorf("reported %v, which only answered", s.inbound)
		}
	})
}

// badConn fails the first reads.
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

// TestSocketTrouble: failed reads do not stop the reader, also not with v5, and are logged once.
func TestSocketTrouble(t *testing.T) {
	var log actortest.Log
	perform(t, func(s *stage, c *Config) {
		boot := s.addV5("10.0.0.5:30303")
		c.V5, c.BootnodesV5, c.Logger = true, []*enode.Node{boot.node()}, slog.New(slog.NewTextHandler(&log, nil))
		c.Conns = []discover.UDPConn{&badConn{simEnd: c.Conns[0].(*simEnd), left: readFailureLimit + 2}}
	}, func(s *stage) {
		s.ask(3)
		s.candidates(3)
		if st := s.status(); st.V5.Live != 1 {
			t.Error("the bootnode's answers don't arrive")
		}
		if n := len(log.Lines("discovery UDP socket error")); n != 1 {
			t.Errorf("logged %d times, want once", n)
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
		if n := len(log.Lines("the UDP socket was closed")); n != 1 {
			t.Errorf("logged %d times, want once", n)
		}
	})
}

// TestPanicsAreRestarts: a panic in a callback of the configuration crashes the actor, which is
// restarted.
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

// TestLeaveIsSoon: Leave ends everything soon, even during lookups among nodes that don't answer.
func TestLeaveIsSoon(t *testing.T) {
	perform(t, func(s *stage, c *Config) {
		c.V4, c.V5 = true, true
		// No more than two: after 32 unanswered queries the library asks pool.ntp.org.
		for i := range 2 {
			absent := enode.NewV4(&fixture.Key(t).PublicKey, strangerNo(i).Addr().AsSlice(), 30303, 30303)
			c.Bootnodes, c.BootnodesV5 = append(c.Bootnodes, absent), append(c.BootnodesV5, absent)
		}
	}, func(s *stage) {
		s.ask(100)
		time.Sleep(300 * time.Millisecond) // less than the timeout of a query
		at := time.Now()
		s.root.Send(s.pid, &Leave{})
		<-s.stopped
		if took := time.Since(at); took > leaveTime {
			t.Errorf("stopped after %v, want at most %v", took, leaveTime)
		} else {
			t.Logf("stopped after %v", took)
		}
	})
}

// TestStopClosesTheSocket: a plain stop closes the socket, too.
func TestStopClosesTheSocket(t *testing.T) {
	perform(t, func(_ *stage, c *Config) { c.V4, c.V5 = true, true }, func(s *stage) {
		s.root.Stop(s.pid)
		<-s.stopped
		if len(s.net.ends) != 0 {
			t.Errorf("%d sockets are still open", len(s.net.ends))
		}
	})
}
