package node_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// flushingSpec is a protocol whose service takes so long to stop, and asks for timeout.
func flushingSpec(name string, takes, timeout time.Duration, into *ledger) protocols.Spec {
	s := servedSpec(name, into)
	inner := s.Service
	s.StopTimeout = timeout
	s.Service = func() actor.Actor {
		noted := inner()
		return actor.ReceiveFunc(func(ctx actor.Context) {
			noted.Receive(ctx)
			if _, ok := ctx.Message().(*actor.Stopping); ok {
				time.Sleep(takes)
				into.add("%s flushed", name)
			}
		})
	}
	return s
}

// notInTime is the log line that names an actor that was cut off.
const notInTime = "actor did not stop in time"

// stopIn stops a node and returns how long that took.
func stopIn(t *testing.T, n *node.Node) time.Duration {
	t.Helper()
	begin := time.Now()
	nodetest.Stop(t, n)
	return time.Since(begin)
}

// TestServiceStopTimeout: a service gets as much time to stop as its Spec asks for, 0.5 s
// without. One that takes longer is named in the log, and Stop does not wait for it.
func TestServiceStopTimeout(t *testing.T) {
	for name, tt := range map[string]struct {
		takes, timeout, stops time.Duration
		cutOff                bool
	}{
		"within ten seconds": {8 * time.Second, 10 * time.Second, 8 * time.Second, false},
		"beyond ten seconds": {11 * time.Second, 10 * time.Second, 10 * time.Second, true},
		"asks for nothing":   {8 * time.Second, 0, 500 * time.Millisecond, true},
		"needs little":       {400 * time.Millisecond, 0, 400 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var book ledger
				log := new(actortest.Log)
				n := memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) {
					c.Specs = []protocols.Spec{flushingSpec("slow", tt.takes, tt.timeout, &book)}
					c.Logger = slog.New(slog.NewTextHandler(log, nil))
				})
				if got := n.StopTimeout(); got != tt.timeout {
					t.Errorf("the node asks for %v, want %v", got, tt.timeout)
				}
				if took := stopIn(t, n); took != tt.stops {
					t.Errorf("Stop took %v, want %v", took, tt.stops)
				}
				if flushed := strings.HasSuffix(book.String(), "slow flushed"); flushed == tt.cutOff {
					t.Errorf("when Stop returned, the service had recorded %s", &book)
				}
				named := log.Lines(notInTime)
				if tt.cutOff && (len(named) != 1 || !strings.Contains(named[0], "/service-slow ") || !strings.Contains(named[0], "protocol=slow timeout=")) || !tt.cutOff && len(named) > 0 {
					t.Errorf("cut off according to the log: %q", named)
				}
				time.Sleep(20 * time.Second) // the service that was cut off ends, which must cause no error
			})
		})
	}
}

// TestServicesStopTogether: two services that take 3 s each take 3 s, and both get LinkLeft
// for their links before.
func TestServicesStopTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var first, second ledger
		n := memNode(t, world, home, func(c *node.Config) {
			c.Specs = []protocols.Spec{
				flushingSpec("greet", 3*time.Second, 4*time.Second, &first), flushingSpec("bow", 3*time.Second, 4*time.Second, &second),
			}
		})
		memNode(t, world, friend, func(c *node.Config) {
			c.Specs = []protocols.Spec{greetSpec("greet"), greetSpec("bow")}
			c.StaticNodes = []*enode.Node{n.Self()}
		})
		synctest.Wait()
		if took := stopIn(t, n); took < 3*time.Second || took > 3*time.Second+100*time.Millisecond {
			t.Errorf("Stop took %v, want 3 s", took)
		}
		for name, book := range map[string]*ledger{"greet": &first, "bow": &second} {
			want := strings.ReplaceAll("X started, X joined false, X left, X stopping, X flushed", "X", name)
			if got := book.String(); got != want {
				t.Errorf("the service recorded\n%s\nwant\n%s", got, want)
			}
		}
	})
}

// TestStopIsBounded: Stop's context bounds what services ask for. The node closes its sockets
// all the same.
func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var book ledger
		log := new(actortest.Log)
		n := memNode(t, world, home, func(c *node.Config) {
			c.Specs = []protocols.Spec{flushingSpec("slow", time.Minute, 10*time.Second, &book), servedSpec("quick", &book)}
			c.Logger = slog.New(slog.NewTextHandler(log, nil))
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin := time.Now()
		if err := n.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v, want %v", err, context.DeadlineExceeded)
		}
		<-n.Done()
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("Stop took %v, want 2 s", took)
		}
		if named := log.Lines(notInTime); len(named) != 1 || !strings.Contains(named[0], "/service-slow ") {
			t.Errorf("cut off according to the log: %q", named)
		}
		if _, err := world.DialFrom(friend.Addr())(t.Context(), home); err == nil {
			t.Error("the node still listens")
		}
		time.Sleep(2 * time.Minute)
		if got := book.String(); !strings.HasSuffix(got, "slow flushed") {
			t.Errorf("the service recorded %s", got)
		}
	})
}

// TestRemovedServiceStops: the service of a removed protocol has as much time, also when the
// node stops meanwhile.
func TestRemovedServiceStops(t *testing.T) {
	for name, tt := range map[string]struct {
		takes, later, stops time.Duration // Stop comes so much later, and takes so long
		cutOff              bool
	}{
		"before the node stops":           {8 * time.Second, 9 * time.Second, 0, false},
		"while the node stops":            {8 * time.Second, 2 * time.Second, 6 * time.Second, false},
		"never":                           {time.Hour, 2 * time.Second, 8 * time.Second, true},
		"never, and the node stops later": {time.Hour, time.Minute, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var book ledger
				log := new(actortest.Log)
				n := memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
				if err := n.AddProtocol(flushingSpec("slow", tt.takes, 10*time.Second, &book)); err != nil {
					t.Fatal(err)
				}
				if err := n.AddProtocol(servedSpec("quick", new(ledger))); err != nil {
					t.Fatal(err)
				}
				if got := n.StopTimeout(); got != 10*time.Second {
					t.Errorf("the node asks for %v, want 10 s", got)
				}
				if err := n.RemoveProtocol("slow"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.later)
				synctest.Wait()
				if got, over := n.StopTimeout(), tt.takes < tt.later; (got == 0) != over {
					t.Errorf("the node asks for %v; the service has stopped: %v", got, over)
				}
				if took := stopIn(t, n); took != tt.stops {
					t.Errorf("Stop took %v, want %v", took, tt.stops)
				}
				if flushed := strings.HasSuffix(book.String(), "slow stopping, slow flushed"); flushed == tt.cutOff {
					t.Errorf("when Stop returned, the service had recorded %s", &book)
				}
				if named := log.Lines(notInTime); len(named) == 1 != tt.cutOff {
					t.Errorf("cut off according to the log: %q", named)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// TestStopTimeoutIsChecked: a Spec may ask for ten seconds at most.
func TestStopTimeoutIsChecked(t *testing.T) {
	for _, timeout := range []time.Duration{-1, 10*time.Second + 1} {
		spec := flushingSpec("slow", 0, timeout, new(ledger))
		if _, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{spec}}); err == nil || !strings.Contains(err.Error(), "protocol slow: StopTimeout of "+timeout.String()) {
			t.Errorf("%v: %v", timeout, err)
		}
	}
	var longest []time.Duration
	for _, timeout := range []time.Duration{0, 1, 10 * time.Second} {
		spec := flushingSpec("slow", 0, timeout, new(ledger))
		mounted, err := protocols.Mount(spec)
		if err != nil {
			t.Fatal(err)
		}
		longest = append(longest, mounted[0].StopTimeout())
	}
	if want := []time.Duration{protocols.DefaultStopTimeout, 1, protocols.MaxStopTimeout}; !slices.Equal(longest, want) {
		t.Errorf("services may take %v, want %v", longest, want)
	}
}

// TestStopWithoutTime: when Stop's context has ended, or ends while the peers are slow to close,
// the remaining links end without a Disconnect. Once the node is done, it has no peers, and every
// PeerAdded had its PeerDropped, also if the peers actor is busy while its links end.
func TestStopWithoutTime(t *testing.T) {
	for name, time := range map[string]time.Duration{"none": 0, "little": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stopWithoutTime(t, time) })
		})
	}
}

func stopWithoutTime(t *testing.T, within time.Duration) {
	const links = 4
	var stopping atomic.Bool
	gate, world := make(chan struct{}), nodetest.NewNetwork()
	spec := greetSpec("greet")
	// The peers actor asks for it when it reports the end of a link.
	spec.PeerInfo = func(*protocols.Link) any {
		if stopping.Load() {
			<-gate
		}
		return nil
	}
	n := memNode(t, world, home, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	watching, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := n.Subscribe(watching)
	for i := range links {
		on := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 30303)
		memNode(t, world, on, func(c *node.Config) { c.StaticNodes = []*enode.Node{n.Self()} })
	}
	synctest.Wait()
	if got := n.PeerCount(); got != links {
		t.Fatalf("the node has %d peers, want %d", got, links)
	}
	stopping.Store(true)
	ctx, end := context.WithTimeout(t.Context(), within)
	defer end()
	if err := n.Stop(ctx); err == nil {
		t.Error("Stop had time enough")
	}
	synctest.Wait() // the links have ended, and the peers actor has handled the end of one
	close(gate)
	<-n.Done()
	if peers := n.Peers(); len(peers) != 0 || n.State().Peers.Peers != 0 {
		t.Errorf("a stopped node has %d peers", len(peers))
	}
	added, dropped := map[enode.ID]int{}, map[enode.ID]int{}
	for e := range events {
		switch e.Kind {
		case node.PeerAdded:
			added[e.Peer.ID]++
		case node.PeerDropped:
			dropped[e.Peer.ID]++
			if e.Cause == nil {
				t.Errorf("%v was dropped without a cause", e.Peer.ID)
			}
		}
	}
	if len(added) != links || !maps.Equal(added, dropped) {
		t.Errorf("events: added %v, dropped %v", added, dropped)
	}
}

// TestLinksEndFirst: the links begin to end when the stop begins, beside the actors that are
// stopped first and are slow. A remote that does not read its Disconnect has two seconds.
func TestLinksEndFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		n := memNode(t, world, home, func(c *node.Config) {
			c.ListenFunc = func(ctx context.Context, on netip.AddrPort) (net.Listener, error) {
				ln, err := world.Listen(ctx, on)
				return &slowListener{Listener: ln}, err
			}
		})
		if _, err := greetOver(open(t, world, stranger, home), fixture.Key(t), n); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		events := nodetest.Watch(t, n)
		begin := time.Now()
		nodetest.Stop(t, n)
		dropped := events.Next(node.PeerDropped)
		if took := dropped.Time.Sub(begin); took != 2*time.Second {
			t.Errorf("the link ended after %v, want 2 s", took)
		}
	})
}

// slowListener takes long to close, the first time.
type slowListener struct {
	net.Listener
	closing sync.Once
}

func (l *slowListener) Close() error {
	l.closing.Do(func() { time.Sleep(400 * time.Millisecond) })
	return l.Listener.Close()
}
