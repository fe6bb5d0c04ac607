package hostile_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/memory"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// attack is something that no honest remote does. It must end in a named cause, and cost the
// node no more than the budgets.
type attack struct {
	name string
	run  func(t *testing.T, v *victim)
}

// The attacks of one wave run at the same time. The attacks on the slots for handshakes are a
// wave of their own, because they leave no slot for others. The half-open connections take
// all slots, so the other two attacks connect before the wave.
var waves = [][]attack{{
	{"1000 half-open connections", halfOpen},
	{"auth byte by byte", drippingAuth},
	{"Hello byte by byte", drippingHello},
}, {
	{"garbage instead of auth", garbage},
	{"auth cut short at every length", cutAuth},
	{"as many capabilities as fit", manyCaps},
	{"one capability too many", tooManyCaps},
	{"Hello of another node", strangeHello},
	{"wrong MAC of a header", wrongHeaderMAC},
	{"wrong MAC of a frame", wrongFrameMAC},
	{"wrong MAC during a large answer", breachInAnswer},
	{"header that claims 16 MiB with a wrong MAC", hugeForgedHeader},
	{"headers that claim 16 MiB, and little behind them", hugeHeaders},
	{"snappy that claims 16 MiB", claimTooMuch},
	{"ten bytes that claim 16 MiB - 1, repeatedly", claimImpossible},
	{"message code that belongs to no protocol", strayCode},
	{"RLP that does not fit its message", badRLP},
	{"pings without end", pingFlood},
	{"pings without end from a remote that never reads", unreadPingFlood},
	{"a flood requested by a remote that never reads", neverReads},
	{"1 GiB to a protocol that sleeps", toSleeper},
	{"1 GiB to a protocol that wakes up in time", toDozer},
}}

// Memory that all attacks together may cost: the budgets, which are 1 MiB inbound for each of the
// two sleeping protocols, read buffers and the beginnings of frames; and what comes on top.
const (
	besides = 32 << 20
	budgets = 2<<20 + (hugeFrames+20)*72<<10
	// leftover is what may be left of it when all attackers are gone: stacks of threads, maps, and
	// gaps in the heap.
	leftover = 20 << 20
)

// TestHostile: every attack ends in a named cause and costs bounded memory, and the link to a
// well-behaved neighbour keeps its rate.
func TestHostile(t *testing.T) {
	wake := make(chan struct{})
	defer close(wake)
	v := attackable(t, wake)
	nb := meet(t, v)
	// The attackers run in the same process, and their garbage would count as the victim's
	// memory. It is collected early.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	memory.Release()
	before, peak := resident(), fixture.Peak(10*time.Millisecond, resident)
	measured := nb.keepAsking()
	v.drips = [...]*net.TCPConn{v.open(t), v.open(t)}
	for _, wave := range waves {
		var all sync.WaitGroup
		for _, a := range wave {
			all.Go(func() { t.Run(a.name, func(t *testing.T) { a.run(t, v) }) })
		}
		all.Wait()
	}
	rate := measured()
	grown := peak() - before
	t.Logf("memory grew by %d KiB at most; the neighbour was answered %d of %d times, after %v at most",
		grown>>10, rate.answered, rate.asked, rate.longest)
	if grown > besides+budgets && !actortest.Race {
		t.Errorf("memory grew by %d MiB, want at most %d", grown>>20, (besides+budgets)>>20)
	}
	longest := 4 * time.Second // time-outs of attacked links are at least 5 s
	if actortest.Race {
		longest = 12 * time.Second
	}
	if rate.answered < rate.asked*95/100 || rate.longest > longest {
		t.Errorf("the neighbour was answered %d of %d times, after %v at most", rate.answered, rate.asked, rate.longest)
	}
	actortest.Eventually(t, "the neighbour is the only peer", func() bool { return v.PeerCount() == 1 })
	memory.Release()
	left := resident() - before
	t.Logf("%d KiB are left", left>>10)
	if left > leftover && !actortest.Race {
		t.Errorf("%d MiB are left after the attacks, want at most %d", left>>20, leftover>>20)
	}
}

// resident returns how many bytes of memory the process has from the system.
func resident() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil { // not Linux
		m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(m)
		return int(m[0].Value.Uint64() - m[1].Value.Uint64())
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(after, &kib); err != nil {
		panic(fmt.Errorf("VmRSS: %w", err))
	}
	return kib << 10
}

// victim is a node under attack.
type victim struct {
	*node.Node

	// For single attacks:
	log     *nodetest.Log
	dozing  chan struct{}   // closes when the protocol dozy may continue
	handled chan int        // sizes of the Lines that dozy has handled, in bytes
	huge    []byte          // a frame of the largest size
	drips   [2]*net.TCPConn // connections that have slots for handshakes

	mu   sync.Mutex
	ends map[netip.AddrPort]chan node.Event // SetupFailed or PeerDropped, by the remote's address
}

// attackable starts a victim with the protocols that the attacks need: bench, one that sleeps
// until wake closes, and one that dozes until dozing closes. It records how each link and each
// failed connection ends.
func attackable(t testing.TB, wake <-chan struct{}) *victim {
	dozing, handled := make(chan struct{}), make(chan int, 1<<16)
	sleepy := fixture.Lines("sleepy", func() actor.ReceiveFunc {
		return func(ctx actor.Context) {
			if _, ok := ctx.Message().(*fixture.Line); ok {
				<-wake
			}
		}
	})
	dozy := fixture.Lines("dozy", func() actor.ReceiveFunc {
		return func(ctx actor.Context) {
			if line, ok := ctx.Message().(*fixture.Line); ok {
				<-dozing
				handled <- len(line.Text)
			}
		}
	})
	log := new(nodetest.Log)
	n := nodetest.Start(t, func(c *node.Config) {
		c.Specs, c.Logger = []protocols.Spec{bench.Spec(), sleepy, dozy}, log.Logger()
	})
	v := &victim{Node: n, log: log, dozing: dozing, handled: handled, huge: hugeFrame(t), ends: map[netip.AddrPort]chan node.Event{}}
	events := nodetest.Watch(t, n).Events
	go func() {
		for e := range events {
			if e.Kind != node.SetupFailed && e.Kind != node.PeerDropped {
				continue
			}
			if end := v.endsOf(e.Peer.RemoteAddr); end != nil {
				end <- e
			}
		}
	}()
	return v
}

func (v *victim) endsOf(remote netip.AddrPort) chan node.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ends[remote]
}

// open makes a connection to the victim, and records how it ends.
func (v *victim) open(t testing.TB) *net.TCPConn {
	t.Helper()
	conn := nodetest.DialTCP(t, v.Node)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ends[local(conn)] = make(chan node.Event, 1)
	return conn
}

func local(conn net.Conn) netip.AddrPort { return conn.LocalAddr().(*net.TCPAddr).AddrPort() }

// endOf waits for the event with which a connection, or the link that it became, ends.
func (v *victim) endOf(t testing.TB, conn net.Conn) node.Event {
	t.Helper()
	e := actortest.Receive(t, v.endsOf(local(conn)))
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.ends, local(conn))
	return e
}

// refused waits until a connection has failed to become a link, and checks the error.
func (v *victim) refused(t testing.TB, conn net.Conn, want error) {
	t.Helper()
	e := v.endOf(t, conn)
	if e.Kind != node.SetupFailed || !errors.Is(e.Err, want) {
		t.Errorf("%v, error %v, cause %v; want the error %v", e.Kind, e.Err, e.Cause, want)
	}
}

// dropped waits for the end of a link and returns its cause.
func (v *victim) dropped(t testing.TB, conn net.Conn) *node.Cause {
	t.Helper()
	e := v.endOf(t, conn)
	if e.Kind != node.PeerDropped {
		t.Fatalf("the connection did not become a link: %v", e.Err)
	}
	return e.Cause
}

// breached waits until a link has ended with a breach of protocol, and checks the error, unless
// want is nil. The remote must receive a Disconnect before that, and no reset.
func (v *victim) breached(t testing.TB, r *nodetest.Client, want error) *node.Cause {
	t.Helper()
	if reason := r.AwaitDisconnect(t); reason != wire.DiscProtocolError {
		t.Errorf("Disconnect %q, want %q", reason, wire.DiscProtocolError)
	}
	if _, err := r.Conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the Disconnect: %v", err)
	}
	r.Close()
	c := v.dropped(t, r)
	if c.Side != protocols.Local || c.Reason != protocols.DiscProtocolError || want != nil && !errors.Is(c.Err, want) {
		t.Errorf("cause %v, want a breach of protocol: %v", c, want)
	}
	return c
}

// connect sets up a session with the victim.
func (v *victim) connect(t testing.TB, caps ...wire.Cap) *nodetest.Client {
	t.Helper()
	c, err := nodetest.NewClient(v.open(t), v.Node, fixture.Key(t), caps...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
