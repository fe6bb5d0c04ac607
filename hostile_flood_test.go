package troupe_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

const (
	// enough is how many bytes a node might take from a remote that it holds back, most of
	// them in the buffers of the system.
	enough = 64 << 20
	// plenty is what the remote has for it.
	plenty = 1 << 30

	floodLen = 64 // pings that are written at once
)

var errEnough = errors.New("all is sent")

// pour writes what next makes until it fails, and counts.
func pour(r *remote, next func() ([]byte, error)) (taken *atomic.Int64, ended <-chan error) {
	taken = new(atomic.Int64)
	end := make(chan error, 1)
	go func() {
		for {
			if taken.Load() > plenty {
				end <- errEnough
				return
			}
			b, err := next()
			if err == nil {
				var n int
				n, err = r.TCPConn.Write(b)
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

// heldBack waits until nothing more is taken for half a second.
func heldBack(t *testing.T, taken *atomic.Int64) {
	t.Helper()
	last, since := int64(0), time.Now()
	eventually(t, "that the remote is held back", func() bool {
		if n := taken.Load(); n != last {
			last, since = n, time.Now()
		}
		return last > 0 && time.Since(since) > 500*time.Millisecond
	})
	if n := taken.Load(); n > enough {
		t.Errorf("%d MiB were taken", n>>20)
	}
}

// pings makes pings, many at a time.
func (r *remote) pings() ([]byte, error) {
	r.frame = r.frame[:0]
	for range floodLen {
		var err error
		if r.frame, err = wire.AppendCompressed(r.frame, wire.PingMsg, []byte{0xC0}); err != nil {
			return nil, err
		}
	}
	return r.frame, r.Encoder.Seal(r.frame)
}

// pingFlood pings without a pause, and gets one pong for each.
func pingFlood(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	const rounds = 50
	left := rounds
	_, ended := pour(r, func() ([]byte, error) {
		if left--; left < 0 {
			return nil, errEnough
		}
		return r.pings()
	})
	for pongs := 0; pongs < rounds*floodLen; pongs++ {
		if code, _, err := r.next(); err != nil || code != wire.PongMsg {
			t.Fatalf("after %d pongs: code %#x, %v", pongs, code, err)
		}
	}
	if err := within(t, ended); err != errEnough {
		t.Error(err)
	}
	r.TCPConn.Close()
	if c := v.dropped(t, r); c.Reason != wire.DiscNetworkError {
		t.Errorf("cause: %v", c)
	}
}

// deafPingFlood does not read its pongs: in the end none of its pings is read either.
func deafPingFlood(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	if err := r.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	taken, ended := pour(r, r.pings)
	heldBack(t, taken)
	c := v.dropped(t, r)
	if c.Side != protocols.Local || c.Reason != wire.DiscReadTimeout || !errors.Is(c.Err, actors.ErrMutualBackpressure) {
		t.Errorf("cause: %v", c)
	}
	if within(t, ended) == errEnough {
		t.Error("1 GiB of pings was taken")
	}
}

// neverReads asks for more than the world holds, and reads nothing of it.
func neverReads(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	ask, err := r.message(firstCode+3, &bench.Flood{Count: 1 << 40, Size: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, ask)
	c := v.dropped(t, r)
	if c.Side != protocols.Local || c.Reason != wire.DiscReadTimeout || !errors.Is(c.Err, actors.ErrWriteTimeout) {
		t.Errorf("cause: %v", c)
	}
}

// lines makes Lines of 32 KiB that don't compress.
func (r *remote) lines() func() ([]byte, error) {
	n := 0
	return func() ([]byte, error) {
		n++
		return r.message(firstCode, &Line{N: uint64(n), Text: piece(n, 32<<10)})
	}
}

// toSleeper has 1 GiB for a protocol that never wakes. The link ends, and its cause says
// which protocol it was.
func toSleeper(t *testing.T, v *victim) {
	r := v.connect(t, wire.Cap{Name: "sleepy", Version: 1})
	taken, ended := pour(r, r.lines())
	heldBack(t, taken)
	c := v.dropped(t, r)
	if !errors.Is(c.Err, actors.ErrStalled) || c.Protocol != "sleepy/1" || c.Reason != wire.DiscSubprotocolError {
		t.Errorf("cause: %v", c)
	}
	if within(t, ended) == errEnough {
		t.Error("1 GiB was taken")
	}
}

// toDozer has 1 GiB for a protocol that wakes in time. Then it goes on, and nothing is
// lost of what was taken.
func toDozer(t *testing.T, v *victim) {
	r := v.connect(t, wire.Cap{Name: "dozy", Version: 1})
	var goal atomic.Int64
	goal.Store(plenty)
	sent := 0
	next := r.lines()
	taken, ended := pour(r, func() ([]byte, error) {
		if sent >= int(goal.Load()) {
			return nil, errEnough
		}
		sent += 32 << 10
		return next()
	})
	heldBack(t, taken)
	goal.Store(taken.Load() + 32<<20)
	close(v.dozing)
	if err := within(t, ended); err != errEnough {
		t.Fatal(err)
	}
	for handled := 0; handled < sent; {
		handled += within(t, v.handled)
	}
	r.TCPConn.Close()
	if c := v.dropped(t, r); c.Reason != wire.DiscNetworkError {
		t.Errorf("cause: %v", c)
	}
}
