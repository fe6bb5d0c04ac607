package hostile_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// heldBackLimit is how many bytes a node may accept from a remote that it holds back. Most of
	// them are in the system's buffers.
	heldBackLimit = 64 << 20
	// plenty is how many bytes the remote tries to send.
	plenty = 1 << 30

	floodLen = 64 // pings in one write
)

var errAllSent = errors.New("everything is sent")

// pour writes what next makes until next or a write fails. It counts the bytes that were
// accepted.
func pour(r *nodetest.Client, next func() ([]byte, error)) (taken *atomic.Int64, ended <-chan error) {
	taken = new(atomic.Int64)
	end := make(chan error, 1)
	go func() {
		for {
			if taken.Load() > plenty {
				end <- errAllSent
				return
			}
			b, err := next()
			if err == nil {
				var n int
				n, err = r.Conn.Write(b)
				taken.Add(int64(n))
			}
			if err != nil {
				end <- err
				return
			}
		}
	}()
	return taken, end
}

// heldBack waits until no byte is accepted for half a second.
func heldBack(t *testing.T, taken *atomic.Int64) {
	t.Helper()
	last, since := int64(0), time.Now()
	actortest.Eventually(t, "the remote is held back", func() bool {
		if n := taken.Load(); n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 500*time.Millisecond
	})
	if n := taken.Load(); n > heldBackLimit {
		t.Errorf("%d MiB were accepted", n>>20)
	}
}

// pings makes many pings for one write.
func pings(r *nodetest.Client) ([]byte, error) {
	return r.Repeat(floodLen, wire.PingMsg, []byte{0xC0})
}

// pingFlood sends pings without a pause, and receives one pong for each.
func pingFlood(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	const rounds = 50
	left := rounds
	_, ended := pour(r, func() ([]byte, error) {
		if left--; left < 0 {
			return nil, errAllSent
		}
		return pings(r)
	})
	for pongs := 0; pongs < rounds*floodLen; pongs++ {
		if code, _, err := r.Next(); err != nil || code != wire.PongMsg {
			t.Fatalf("after %d pongs: code %#x, %v", pongs, code, err)
		}
	}
	if err := actortest.Receive(t, ended); err != errAllSent {
		t.Error(err)
	}
	r.Close()
	if c := v.dropped(t, r); c.Reason != wire.DiscNetworkError {
		t.Errorf("cause %v", c)
	}
}

// unreadPingFlood does not read its pongs. In the end its pings are not read either.
func unreadPingFlood(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	if err := r.TCP().SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	taken, ended := pour(r, func() ([]byte, error) { return pings(r) })
	heldBack(t, taken)
	c := v.dropped(t, r)
	if c.Side != protocols.Local || c.Reason != wire.DiscReadTimeout || !errors.Is(c.Err, actors.ErrMutualBackpressure) {
		t.Errorf("cause %v", c)
	}
	if actortest.Receive(t, ended) == errAllSent {
		t.Error("1 GiB of pings was accepted")
	}
}

// neverReads requests a flood without end, and reads nothing of it.
func neverReads(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	ask, err := r.Message(firstCode+3, &bench.Flood{Count: 1 << 40, Size: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	r.Send(t, ask)
	c := v.dropped(t, r)
	if c.Side != protocols.Local || c.Reason != wire.DiscReadTimeout || !errors.Is(c.Err, actors.ErrWriteTimeout) {
		t.Errorf("cause %v", c)
	}
}

// linesTo makes Lines of 32 KiB that don't compress.
func linesTo(r *nodetest.Client) func() ([]byte, error) {
	n := 0
	return func() ([]byte, error) {
		n++
		return r.Message(firstCode, &fixture.Line{N: uint64(n), Text: fixture.Piece(n, 32<<10)})
	}
}

// toSleeper sends 1 GiB to a protocol that never wakes up. The link ends, and its cause names
// the protocol.
func toSleeper(t *testing.T, v *victim) {
	r := v.connect(t, wire.Cap{Name: "sleepy", Version: 1})
	taken, ended := pour(r, linesTo(r))
	heldBack(t, taken)
	c := v.dropped(t, r)
	if !errors.Is(c.Err, actors.ErrStalled) || c.Protocol != "sleepy/1" || c.Reason != wire.DiscSubprotocolError {
		t.Errorf("cause %v", c)
	}
	if actortest.Receive(t, ended) == errAllSent {
		t.Error("1 GiB was accepted")
	}
}

// toDozer sends 1 GiB to a protocol that wakes up in time. Then the link continues, and nothing
// is lost of what was accepted.
func toDozer(t *testing.T, v *victim) {
	r := v.connect(t, wire.Cap{Name: "dozy", Version: 1})
	var goal atomic.Int64
	goal.Store(plenty)
	sent := 0
	next := linesTo(r)
	taken, ended := pour(r, func() ([]byte, error) {
		if sent >= int(goal.Load()) {
			return nil, errAllSent
		}
		sent += 32 << 10
		return next()
	})
	heldBack(t, taken)
	goal.Store(taken.Load() + 32<<20)
	close(v.dozing)
	if err := actortest.Receive(t, ended); err != errAllSent {
		t.Fatal(err)
	}
	for handled := 0; handled < sent; {
		handled += actortest.Receive(t, v.handled)
	}
	r.Close()
	if c := v.dropped(t, r); c.Reason != wire.DiscNetworkError {
		t.Errorf("cause %v", c)
	}
}
