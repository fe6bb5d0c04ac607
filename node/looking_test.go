package node_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/wire"
)

// crowd is many remotes with an address each, which answer a dial with a session.
type crowd struct {
	nodes []*enode.Node
	keys  map[netip.AddrPort]*ecdsa.PrivateKey

	mu    sync.Mutex
	dials []time.Time
	count map[netip.AddrPort]int
}

// newCrowd makes n remotes; addr gives the address of each.
func newCrowd(t *testing.T, n int, addr func(i int) netip.Addr) *crowd {
	t.Helper()
	c := &crowd{keys: map[netip.AddrPort]*ecdsa.PrivateKey{}, count: map[netip.AddrPort]int{}}
	for i := range n {
		key := newKey(t)
		at := netip.AddrPortFrom(addr(i), uint16(10000+i))
		c.keys[at] = key
		c.nodes = append(c.nodes, enode.NewV4(&key.PublicKey, at.Addr().AsSlice(), int(at.Port()), int(at.Port())))
	}
	return c
}

// scattered gives addresses in networks of their own.
func scattered(i int) netip.Addr { return netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}) }

// neighbours gives addresses in one network.
func neighbours(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }

func (c *crowd) note(to netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials = append(c.dials, time.Now())
	c.count[to]++
}

// refuse is a Dial function that finds nobody.
func (c *crowd) refuse(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	c.note(to)
	return nil, errors.New("connection refused")
}

// welcome is a Dial function that finds everybody.
func (c *crowd) welcome(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	c.note(to)
	key := c.keys[to]
	near, far := net.Pipe()
	go func() {
		h := &wire.Hello{Version: wire.BaseVersion, Name: "crowd", Caps: []wire.Cap{greet}, ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:])}
		defer far.Close()
		r, err := wire.AcceptAuth(far, key, wire.Options{})
		if err != nil {
			return
		}
		if session, err := r.Welcome(far, h); err == nil {
			stay(far, session)
		}
	}()
	return &memConn{near, net.TCPAddrFromAddrPort(home), net.TCPAddrFromAddrPort(to)}, nil
}

// stay is a peer that only answers pings, until the node ends the link.
func stay(conn net.Conn, session *wire.Session) {
	buf := make([]byte, 1024)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
		pong, err := wire.AppendCompressed(nil, wire.PongMsg, []byte{0xc0})
		if err == nil {
			err = session.Encoder.Seal(pong)
		}
		if err == nil {
			_, err = conn.Write(pong)
		}
		if err != nil {
			return
		}
	}
}

// busiestSecond is how many dials began within a second at most.
func (c *crowd) busiestSecond() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most, first := 0, 0
	for i, t := range c.dials {
		for t.Sub(c.dials[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// lines is a log that keeps what an operator sees.
type lines struct {
	slog.Handler
	mu   sync.Mutex
	list []slog.Record
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
	return nil
}

func (l *lines) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *lines) WithGroup(string) slog.Handler      { return l }

// about gives the attributes of the lines with a message, each as text.
func (l *lines) about(msg string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list {
		if r.Message != msg {
			continue
		}
		var text []string
		r.Attrs(func(a slog.Attr) bool {
			text = append(text, a.String())
			return true
		})
		found = append(found, strings.Join(text, " "))
	}
	return found
}

func TestCandidatesBecomePeers(t *testing.T) {
	tests := []struct {
		name  string
		max   int
		ratio int
		found int
		after time.Duration
		want  int
	}{
		{name: "a third of 30", max: 30, found: 60, after: time.Minute, want: 10},
		{name: "half of 10", max: 10, ratio: 2, found: 60, after: time.Minute, want: 5},
		{name: "four of 9 at least", max: 9, found: 60, after: time.Minute, want: 4},
		{name: "all that there are", max: 30, found: 3, after: time.Minute, want: 3},
		{name: "three quarters when nobody comes", max: 20, found: 60, after: 10 * time.Minute, want: 15},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, tt.found, scattered)
				n := memNode(t, newNetwork(), home, func(cfg *node.Config) {
					cfg.MaxPeers, cfg.DialRatio = tt.max, tt.ratio
					cfg.Candidates, cfg.Dial = enode.CycleNodes(c.nodes), c.welcome
				})
				defer stopNode(t, n)
				time.Sleep(tt.after)
				synctest.Wait()
				// What is under way when the last place is taken comes in as well.
				if got := n.PeerCount(); got < tt.want || got > tt.want+2 {
					t.Errorf("%d peers, want %d", got, tt.want)
				}
				for _, p := range n.Peers() {
					if p.Inbound || p.Static || p.Trusted {
						t.Errorf("%+v is no dynamic dial", p)
					}
				}
			})
		})
	}
}

// counted counts what is read of an iterator.
type counted struct {
	enode.Iterator
	read atomic.Int64
}

func (c *counted) Next() bool {
	c.read.Add(1)
	time.Sleep(time.Second)
	return c.Iterator.Next()
}

// TestNobodySearchesForAFullNode: the sources rest while there is no room for peers.
func TestNobodySearchesForAFullNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 20, scattered)
		source := &counted{Iterator: enode.CycleNodes(c.nodes)}
		n := memNode(t, newNetwork(), home, func(cfg *node.Config) {
			cfg.MaxPeers, cfg.DialRatio = 4, 1
			cfg.Candidates, cfg.Dial = source, c.welcome
		})
		defer stopNode(t, n)
		time.Sleep(30 * time.Second)
		if n.PeerCount() < 4 {
			t.Fatalf("%d peers", n.PeerCount())
		}
		before := source.read.Load()
		time.Sleep(time.Minute)
		// One may have been on its way.
		if more := source.read.Load() - before; more > 1 {
			t.Errorf("%d candidates were searched for while there was no room", more)
		}
	})
}

// TestLookingGoesOnThroughCrashes: whoever takes part in the search is replaced when it
// crashes, and the search comes to the same end.
func TestLookingGoesOnThroughCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 60, scattered)
		n := memNode(t, newNetwork(), home, func(cfg *node.Config) {
			cfg.MaxPeers, cfg.MaxDialRate = 30, 1
			cfg.Candidates, cfg.Dial = enode.CycleNodes(c.nodes), c.welcome
			for _, who := range []string{"dialer", "candidates", "handshakes"} {
				cfg.Chaos = append(cfg.Chaos, node.Chaos{Pattern: "*/" + who, Interval: 7 * time.Second})
			}
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := n.PeerCount(); got < 10 {
			t.Errorf("%d peers, want 10", got)
		}
		stopNode(t, n)
	})
}

// TestStopWhileNothingIsFound: an iterator that blocks keeps nobody from stopping, and is
// closed.
func TestStopWhileNothingIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := enode.NewFairMix(time.Second)
		n := memNode(t, newNetwork(), home, func(cfg *node.Config) { cfg.Candidates = nothing })
		time.Sleep(time.Minute)
		begin := time.Now()
		stopNode(t, n)
		if took := time.Since(begin); took > 0 {
			t.Errorf("stop took %v", took)
		}
		if nothing.Next() {
			t.Error("the iterator goes on")
		}
	})
}

// TestCandidatesThatRefuse: 5,000 of them get a steady few dials a second, one each, and
// as good as no place in the log.
func TestCandidatesThatRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 5000, scattered)
		log := &lines{Handler: slog.DiscardHandler}
		n := memNode(t, newNetwork(), home, func(cfg *node.Config) {
			cfg.Candidates, cfg.Dial, cfg.Logger = enode.CycleNodes(c.nodes), c.refuse, slog.New(log)
		})
		const minutes = 5
		time.Sleep(minutes * time.Minute)
		stopNode(t, n)
		if got := c.busiestSecond(); got > node.DefaultMaxDialRate {
			t.Errorf("%d dials within a second, want at most %d", got, node.DefaultMaxDialRate)
		}
		if got := len(c.dials); got < minutes*60*node.DefaultMaxDialRate*9/10 {
			t.Errorf("only %d dials in %d minutes: what follows shows nothing", got, minutes)
		}
		for at, n := range c.count {
			if n > 1 {
				t.Errorf("%v dialed %d times", at, n)
			}
		}
		told := log.about("looking for peers")
		if len(told) < 3 || len(log.list) > 8 {
			t.Errorf("%d lines in the log, %d about the search: %v", len(log.list), len(told), log.list)
		}
		for _, part := range []string{"peers=0", "failed=[unreachable=", "candidates=", "dialed=", "linked=0"} {
			if len(told) > 0 && !strings.Contains(told[0], part) {
				t.Errorf("%q lacks %s", told[0], part)
			}
		}
	})
}

// TestFewCandidatesThatRefuse: in a small network that is down each node is dialed more
// and more rarely, and never under another name at the same endpoint.
func TestFewCandidatesThatRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 3, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 168, 1, byte(i)}) })
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 1, 0}), 10000)
		all := append([]*enode.Node{}, c.nodes...)
		for range 10 {
			all = append(all, enode.NewV4(&newKey(t).PublicKey, at.Addr().AsSlice(), 10000, 10000))
		}
		n := memNode(t, newNetwork(), home, func(cfg *node.Config) {
			cfg.Candidates, cfg.Dial = enode.CycleNodes(all), c.refuse
		})
		time.Sleep(3 * time.Hour)
		stopNode(t, n)
		// 1, 2, 4, … 32 minutes and then 60, each up to a fifth less.
		for at, n := range c.count {
			if n < 7 || n > 12 {
				t.Errorf("%v dialed %d times in 3 hours, want 7 to 12", at, n)
			}
		}
	})
}

// TestEclipse: somebody has a thousand node IDs in one /24, dials with all of them and
// has us dial them. He gets his share, and all others find their places.
func TestEclipse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork()
		c := newCrowd(t, 1000, neighbours)
		n := memNode(t, world, home, func(cfg *node.Config) {
			cfg.MaxPeers = 50
			cfg.Candidates, cfg.Dial = enode.CycleNodes(c.nodes), c.welcome
		})
		attackers := func() (list []node.PeerInfo) {
			for _, p := range n.Peers() {
				if netip.MustParsePrefix("203.0.113.0/24").Contains(p.RemoteAddr.Addr()) {
					list = append(list, p)
				}
			}
			return list
		}
		for i := range 200 {
			conn := open(t, world, neighbours(i), home)
			session, err := greetOver(conn, c.keys[netip.AddrPortFrom(neighbours(i), uint16(10000+i))], n)
			if err != nil {
				conn.Close()
				continue
			}
			go stay(conn, session)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := len(attackers()); got != 10 {
			t.Errorf("%d of 50 places taken, want the share of 10", got)
		}
		for i := range 60 {
			conn := open(t, world, scattered(i), home)
			if session, err := greetOver(conn, newKey(t), n); err == nil {
				go stay(conn, session)
			}
		}
		synctest.Wait()
		inbound := 0
		for _, p := range n.Peers() {
			if p.Inbound {
				inbound++
			}
		}
		if inbound != 50-16 || len(attackers()) != 10 {
			t.Errorf("%d have come in beside the %d of that network, want all places but those kept for dials taken", inbound, len(attackers()))
		}
	})
}

// TestFlood: 200 addresses connect again and again, half of them saying nothing, the
// others as peers that want to stay. A static peer stays linked, and is linked again when
// it comes back.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newNetwork()
		key := newKey(t)
		partner := func() *node.Node {
			return memNode(t, world, friend, func(c *node.Config) { c.Key = key })
		}
		p := partner()
		n := memNode(t, world, home, func(c *node.Config) {
			c.MaxPeers = 50
			c.StaticNodes = []*enode.Node{enode.NewV4(&key.PublicKey, friend.Addr().AsSlice(), 30303, 0)}
		})
		w := watch(t, n)
		eventually(t, "linked with the static node", func() bool { return n.PeerCount() == 1 })
		ctx, cancel := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		for i := range 200 {
			flood.Add(1)
			go func() {
				defer flood.Done()
				for ctx.Err() == nil {
					conn, err := world.dialFrom(scattered(i))(ctx, home)
					if err != nil {
						return
					}
					unwatch := context.AfterFunc(ctx, func() { conn.Close() })
					if i%2 == 0 {
						if session, err := greetOver(conn, newKey(t), n); err == nil {
							stay(conn, session)
						}
					}
					sleep(ctx, 10*time.Second)
					unwatch()
					conn.Close()
				}
			}()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := n.PeerCount(); got != 50 {
			t.Errorf("%d peers in the flood, want all places taken", got)
		}
		for range 3 {
			stopNode(t, p)
			time.Sleep(30 * time.Second)
			begin := time.Now()
			p = partner()
			w.until("linked again", func(e node.Event) bool { return e.Kind == node.PeerAdded && e.Peer.Static })
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("linked again after %v, want within the minute that a redial takes at most", took)
			}
		}
		cancel()
		flood.Wait()
		stopNode(t, n)
	})
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
