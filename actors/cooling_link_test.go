package actors

import (
	"errors"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/wire"
)

// quietLink starts a link over TCP that has received and sent 64 KiB, and that cools when the
// clock advances by coldAfter. Handled receives a value for each message.
func quietLink(t *testing.T) (r *remote, clock *actortest.SteppedClock, handled <-chan struct{}) {
	t.Helper()
	n := newNode(t)
	clock = actortest.NewSteppedClock()
	n.clock = clock
	got := make(chan struct{}, 1)
	s := &script{}
	s.message = func(_ actor.Context, in Inbound) error {
		got <- struct{}{}
		return s.Send(1, in.Payload)
	}
	ours, theirs := tcpPipe(t)
	r = meetOver(t, n, ours, theirs, s.protocol("a"))
	r.send(16, noise(64<<10))
	r.expect(17)
	<-got
	return r, clock, got
}

// cool lets the link become quiet, and waits until it has freed what it can make again. What was still
// under way when the clock advanced is quiet only once it advances again.
func (r *remote) cool(clock *actortest.SteppedClock) {
	r.t.Helper()
	var advanced time.Time
	actortest.Eventually(r.t, "the link is cold", func() bool {
		if time.Since(advanced) > 2*time.Second {
			clock.Advance(coldAfter + time.Millisecond)
			advanced = time.Now()
		}
		return !r.link.readerWarm.Load() && !r.link.writerWarm.Load()
	})
}

// TestQuietLinkCools: five seconds after the last traffic a link holds no cipher state, no buffer
// and no goroutine, without a ping. It goes on when there is something to read or to write.
func TestQuietLinkCools(t *testing.T) {
	r, clock, handled := quietLink(t)
	if !r.link.readerWarm.Load() || !r.link.writerWarm.Load() {
		t.Error("the link is cold amid traffic")
	}
	for range 3 {
		r.cool(clock)
		r.send(16, noise(5000))
		<-handled
		if p := r.expect(17); len(p.payload) != 5000 {
			t.Errorf("got %d bytes back", len(p.payload))
		}
	}
	if r.link.lastPing.Load() != 0 {
		t.Error("a ping was sent")
	}
}

// TestQuietLinksNeedNoGoroutine: quiet links share one goroutine that waits for all of them.
func TestQuietLinksNeedNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a quiet link has a goroutine on " + runtime.GOOS)
	}
	const links, others = 20, 4 // others: the goroutine that waits, and those that are about to end
	before := runtime.NumGoroutine()
	for range links {
		r, clock, _ := quietLink(t)
		r.cool(clock)
	}
	actortest.Eventually(t, "no link has a goroutine", func() bool { return runtime.NumGoroutine() <= before+others })
}

// TestNewLinksNeedNoGoroutine: a link that has exchanged few messages waits without a goroutine at
// once. It becomes cold like any other, and is read by a goroutine once it is busy.
func TestNewLinksNeedNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a link that waits has a goroutine on " + runtime.GOOS)
	}
	const links, others = 20, 4
	before := runtime.NumGoroutine()
	var last *remote
	var clock *actortest.SteppedClock
	for range links {
		n := newNode(t)
		clock = actortest.NewSteppedClock()
		n.clock = clock
		s := &script{}
		s.message = func(_ actor.Context, in Inbound) error { return s.Send(1, in.Payload) }
		ours, theirs := tcpPipe(t)
		last = meetOver(t, n, ours, theirs, s.protocol("a"))
		for range 2 {
			last.send(16, noise(100))
			last.expect(17)
		}
	}
	actortest.Eventually(t, "no link has a goroutine", func() bool { return runtime.NumGoroutine() <= before+others })
	if !last.link.readerWarm.Load() {
		t.Error("a new link is cold")
	}
	last.cool(clock)
	for range 3 * newcomerWaits {
		last.send(16, noise(100))
		last.expect(17)
	}
	if n := runtime.NumGoroutine(); n < before+1 {
		t.Errorf("%d goroutines, %d before: a busy link has none", n, before)
	}
	last.cool(clock)
}

// TestQuietLinkEnds: a link that is cold ends like any other.
func TestQuietLinkEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(r *remote)
		side   Side
		reason wire.DiscReason
	}{
		{"by this node", func(r *remote) {
			r.link.Disconnect(wire.DiscUselessPeer, nil)
			r.expectDisconnect(wire.DiscUselessPeer)
			r.conn.Close()
		}, Local, wire.DiscUselessPeer},
		{"by the remote", func(r *remote) { r.send(wire.DiscMsg, wire.AppendDisconnect(nil, wire.DiscQuitting)) }, Remote, wire.DiscQuitting},
		{"the remote closes", func(r *remote) { r.conn.Close() }, Network, wire.DiscNetworkError},
		{"the owner stops it", func(r *remote) { r.node.stop(r.link) }, Local, wire.DiscQuitting},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, clock, _ := quietLink(t)
			r.cool(clock)
			tt.end(r)
			r.wantCause(tt.side, tt.reason, nil)
		})
	}
}

// TestInterruptedRead: a request to become cold that comes amid traffic, amid a frame or at the
// end of the link changes nothing.
func TestInterruptedRead(t *testing.T) {
	r, clock, handled := quietLink(t)
	for range 100 {
		r.link.interruptRead()
		r.send(16, noise(100))
		<-handled
		r.expect(17)
	}
	frame := r.seal(16, noise(1000))
	r.write(frame[:500])
	actortest.Eventually(t, "half a frame has arrived", func() bool { return r.link.frameSince.Load() != 0 })
	clock.Advance(coldAfter + time.Millisecond)
	r.link.interruptRead()
	r.write(frame[500:])
	<-handled
	r.expect(17)
	if c := r.link.Cause(); c != nil {
		t.Errorf("ended: %v", c)
	}
	r.link.Disconnect(wire.DiscQuitting, nil)
	r.link.interruptRead()
	r.expectDisconnect(wire.DiscQuitting)
}

// TestParkedSocket: a parked socket calls wake once, whichever comes first, and a socket that is
// closed cannot park.
func TestParkedSocket(t *testing.T) {
	ours, theirs := tcpPipe(t)
	defer theirs.Close()
	src := newSource(ours)
	woken := make(chan struct{}, 2)
	wake := func() { woken <- struct{}{} }
	src.unpark() // not parked
	if !src.park(wake) {
		t.Skip("sockets cannot park here")
	}
	src.unpark()
	src.unpark()
	<-woken
	for range 3 { // a level, not an edge: what has arrived before counts
		if _, err := theirs.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if !src.park(wake) {
			t.Fatal("does not park")
		}
		actortest.Receive(t, woken)
	}
	src.unpark()
	if len(woken) != 0 {
		t.Error("woken twice")
	}
	ours.Close()
	if src.park(wake) {
		t.Error("a closed socket parks")
	}
	if err := ours.Close(); err == nil || errors.Is(err, syscall.EBADF) {
		t.Errorf("the second close: %v", err)
	}
}
