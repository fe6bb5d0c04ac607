package troupe_test

import (
	"bytes"
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
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// An attack is something that no honest remote does. It ends in a cause that has a name,
// and costs the node no more than the budgets.
type attack struct {
	name string
	run  func(t *testing.T, v *victim)
}

// The attacks of one wave come all at once. Those that have to do with the slots for
// handshakes come first, or nobody else would get one. Of these, the half-open connections
// take all slots, so that the others have theirs before.
var waves = [][]attack{{
	{"1000 half-open connections", halfOpen},
	{"auth that drips", drippingAuth},
	{"Hello that drips", drippingHello},
}, {
	{"garbage instead of auth", garbage},
	{"auth cut short at every length", cutAuth},
	{"capabilities as many as fit", manyCaps},
	{"capabilities one too many", tooManyCaps},
	{"Hello of another node", strangeHello},
	{"wrong MAC of a header", wrongHeaderMAC},
	{"wrong MAC of a frame", wrongFrameMAC},
	{"wrong MAC amid a large answer", breachInAnswer},
	{"header that claims 16 MiB with a wrong MAC", hugeForgedHeader},
	{"headers of 16 MiB and nothing behind", hugeHeaders},
	{"snappy that claims 16 MiB", claimTooMuch},
	{"16 MiB - 1 claimed by ten bytes, again and again", claimImpossible},
	{"message code that belongs to nobody", strayCode},
	{"RLP that is not the message it claims to be", badRLP},
	{"pings without end", pingFlood},
	{"pings without end from one that never reads", deafPingFlood},
	{"a flood asked for by one that never reads", neverReads},
	{"1 GiB to a protocol that sleeps", toSleeper},
	{"1 GiB to a protocol that dozes", toDozer},
}}

// All attacks together may cost no more memory than this beyond the budgets: 1 MiB in for
// each of the sleeping protocols, their links' read buffers, and the beginnings of frames.
const (
	besides = 32 << 20
	budgets = 2<<20 + (hugeFrames+20)*72<<10
)

// Whatever remotes do, it ends in a named cause, costs bounded memory, and the link to a
// well-behaved neighbour goes on at its pace.
func TestHostile(t *testing.T) {
	wake := make(chan struct{})
	defer close(wake)
	v := attackable(t, wake)
	nb := meet(t, v)
	// The attackers live in the same process. Little of what they drop may wait to be
	// collected, or it would count as the victim's.
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	debug.FreeOSMemory()
	before, peak := resident(), watchPeak(10*time.Millisecond, resident)
	measured := nb.keepAsking()
	v.drips = [...]*net.TCPConn{v.open(t), v.open(t)}
	for _, wave := range waves {
		var all sync.WaitGroup
		for _, a := range wave {
			all.Go(func() { t.Run(a.name, func(t *testing.T) { a.run(t, v) }) })
		}
		all.Wait()
	}
	pace := measured()
	grown := peak() - before
	t.Logf("memory grew by %d KiB at most; the neighbour was answered %d of %d times, after %v at most",
		grown>>10, pace.answered, pace.asked, pace.longest)
	if grown > besides+budgets && !raceEnabled { // the race detector needs memory of its own
		t.Errorf("memory grew by %d MiB, want at most %d", grown>>20, (besides+budgets)>>20)
	}
	if pace.answered < pace.asked*95/100 || pace.longest > 4*time.Second { // an attack's time-outs are 5 s and more
		t.Errorf("the neighbour was answered %d of %d times, after %v at most", pace.answered, pace.asked, pace.longest)
	}
	eventually(t, "that the neighbour alone is left", func() bool { return v.PeerCount() == 1 })
}

// resident is how much memory the process has from the system, in bytes.
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
	book    *logBook
	dozing  chan struct{}   // closes when dozy shall go on
	handled chan int        // bytes of a Line that dozy has handled
	huge    []byte          // a frame of the largest size
	drips   [2]*net.TCPConn // have slots for handshakes

	mu   sync.Mutex
	ends map[netip.AddrPort]chan node.Event // SetupFailed and PeerDropped, by remote
}

// newVictim runs a node whose links and failed connections can be asked for their ends.
func newVictim(t testing.TB, edit func(*node.Config)) *victim {
	v := &victim{Node: startNode(t, edit), ends: map[netip.AddrPort]chan node.Event{}}
	events := watch(t, v.Node)
	go func() {
		for e := range events.ch {
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

// attackable makes a victim with what the attacks need: a protocol that sleeps until it
// is woken, and one that dozes.
func attackable(t testing.TB, wake <-chan struct{}) *victim {
	dozing, handled := make(chan struct{}), make(chan int, 1<<16)
	sleepy := lines("sleepy", func() behave {
		return func(ctx actor.Context) {
			if _, ok := ctx.Message().(*Line); ok {
				<-wake
			}
		}
	})
	dozy := lines("dozy", func() behave {
		return func(ctx actor.Context) {
			if line, ok := ctx.Message().(*Line); ok {
				<-dozing
				handled <- len(line.Text)
			}
		}
	})
	book := new(logBook)
	v := newVictim(t, func(c *node.Config) {
		c.Specs, c.Logger = []protocols.Spec{bench.Spec(), sleepy, dozy}, book.logger()
	})
	v.book, v.dozing, v.handled, v.huge = book, dozing, handled, hugeFrame(t)
	return v
}

func (v *victim) endsOf(remote netip.AddrPort) chan node.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ends[remote]
}

// open makes a connection to the victim, whose end is watched.
func (v *victim) open(t testing.TB) *net.TCPConn {
	t.Helper()
	conn := tcpTo(t, v.Node)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ends[local(conn)] = make(chan node.Event, 1)
	return conn
}

func local(conn net.Conn) netip.AddrPort { return conn.LocalAddr().(*net.TCPAddr).AddrPort() }

// endOf waits for what a connection, or the link that it became, ends with.
func (v *victim) endOf(t testing.TB, conn net.Conn) node.Event {
	t.Helper()
	e := within(t, v.endsOf(local(conn)))
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.ends, local(conn))
	return e
}

// refused waits until a connection has failed to become a link, for the reason that is
// wanted.
func (v *victim) refused(t testing.TB, conn net.Conn, want error) {
	t.Helper()
	e := v.endOf(t, conn)
	if e.Kind != node.SetupFailed || !errors.Is(e.Err, want) {
		t.Errorf("%v for %v (cause: %v), want %v", e.Kind, e.Err, e.Cause, want)
	}
}

// dropped waits for the end of a link and gives its cause.
func (v *victim) dropped(t testing.TB, conn net.Conn) *node.Cause {
	t.Helper()
	e := v.endOf(t, conn)
	if e.Kind != node.PeerDropped {
		t.Fatalf("no link ended, but its setup: %v", e.Err)
	}
	return e.Cause
}

// breached waits until a link has ended because the remote broke the protocol, in the way
// that is wanted (nil: any). The remote is told so first, and no reset keeps it from reading that.
func (v *victim) breached(t testing.TB, r *remote, want error) *node.Cause {
	t.Helper()
	if told := r.told(t); told != wire.DiscProtocolError {
		t.Errorf("the remote was told %q", told)
	}
	if _, err := r.TCPConn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the Disconnect: %v", err)
	}
	r.TCPConn.Close()
	c := v.dropped(t, r)
	if c.Side != protocols.Local || c.Reason != protocols.DiscProtocolError || want != nil && !errors.Is(c.Err, want) {
		t.Errorf("cause: %v, want a breach of protocol: %v", c, want)
	}
	return c
}

// remote is an attacker that has come through the handshake. It has the wire itself in
// its hands, and can forge whatever it likes.
type remote struct {
	*net.TCPConn
	*wire.Session
	payload bytes.Buffer // of message
	frame   []byte       // likewise
}

// connect sets up a session with the victim.
func (v *victim) connect(t testing.TB, caps ...wire.Cap) *remote {
	t.Helper()
	key := newKey(t)
	conn := v.open(t)
	hello := &wire.Hello{Version: wire.BaseVersion, Name: "hostile", Caps: caps, ID: idOf(key)}
	s, err := wire.Dial(conn, key, v.Self().Pubkey(), hello, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &remote{TCPConn: conn, Session: s}
}

// sealed lays out and seals one message whose payload is on the wire as given.
func (r *remote) sealed(t testing.TB, code uint64, payload []byte) []byte {
	t.Helper()
	frame, err := wire.AppendFrame(nil, code, payload)
	if err == nil {
		err = r.Encoder.Seal(frame)
	}
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// message encodes, compresses and seals an honest message. What it returns is good until
// it makes the next.
func (r *remote) message(code uint64, msg any) ([]byte, error) {
	r.payload.Reset()
	err := rlp.Encode(&r.payload, msg)
	if err == nil {
		r.frame, err = wire.AppendCompressed(r.frame[:0], code, r.payload.Bytes())
	}
	if err == nil {
		err = r.Encoder.Seal(r.frame)
	}
	return r.frame, err
}

func (r *remote) write(t testing.TB, b []byte) {
	t.Helper()
	if _, err := r.TCPConn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// next reads one message.
func (r *remote) next() (code uint64, payload []byte, err error) {
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, nil, err
	}
	for {
		frame, n, need, err := r.Decoder.Next(r.Rest)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			r.Rest = r.Rest[n:]
			return wire.ParseMessage(frame)
		}
		more := make([]byte, max(4096, need-len(r.Rest)))
		got, err := io.ReadAtLeast(r.TCPConn, more, need-len(r.Rest))
		if err != nil {
			return 0, nil, err
		}
		r.Rest = append(r.Rest, more[:got]...)
	}
}

// told reads up to the victim's Disconnect.
func (r *remote) told(t testing.TB) wire.DiscReason {
	t.Helper()
	for {
		code, payload, err := r.next()
		if err != nil {
			t.Fatalf("waiting for a Disconnect: %v", err)
		}
		if code != wire.DiscMsg {
			continue
		}
		reason, err := wire.ParseDisconnect(payload, true) // or plain, it takes both
		if err != nil {
			t.Error(err)
		}
		return reason
	}
}
