package punch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/punch"
)

// supervisor supervises a puncher.
type supervisor struct {
	*supervise.Supervisor
	h    *host
	done chan struct{}
}

func (k *supervisor) Receive(ctx actor.Context) {
	if k.Handle(ctx.Message()) {
		return
	}
	if _, ok := ctx.Message().(*actor.Started); ok {
		k.h.pid = ctx.Spawn(k.h.service.Props())
		k.Adopt(k.h.pid, &supervise.ServicePolicy) // the pauses of the node's policy are too long for so many crashes
		close(k.done)
	}
}

// supervised is add with a supervisor, which it returns.
func (w *world) supervised(k kind, ip string, knows ...*host) (*host, *actor.PID) {
	h := w.host(k, ip)
	for _, other := range knows {
		h.table[other.id()] = other.self()
	}
	up := make(chan struct{})
	top := w.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &supervisor{Supervisor: supervise.NewSupervisor(supervise.SystemClock, nil, nil), h: h, done: up}
	}))
	<-up
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[h.ip] = h
	return h, top
}

// kill makes all actors of calls panic, and returns their number.
func (w *world) kill() (n int) {
	for _, bucket := range w.system.ProcessRegistry.LocalPIDs.LocalPIDs {
		for _, id := range bucket.Keys() {
			if strings.Contains(id, "/call-") || strings.Contains(id, "/answer-") {
				w.system.Root.Send(w.system.NewLocalPID(id), &supervise.Inject{})
				n++
			}
		}
	}
	return n
}

// While the puncher and the actors of calls crash all the time, each Reach gets exactly one answer, and nothing
// remains of the calls: no connection, no token, no goroutine.
func TestCrashes(t *testing.T) {
	for _, every := range []time.Duration{0, 200 * time.Millisecond} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			inWorld(t, func(w *world) {
				relay := w.add(public, "30.1.1.10")
				a, top := w.supervised(portrestricted, "30.10.10.1", relay)
				var others []*host
				for i := range 8 {
					others = append(others, w.add(restricted, fmt.Sprintf("30.20.20.%d", i+1), relay))
				}
				stabilise()
				var calls []<-chan *punch.Reached
				killed := 0
				for i := range 30 {
					other := others[i%len(others)]
					calls = append(calls, w.reach(a, other), w.reach(other, a))
					time.Sleep(time.Duration(i*i%23+1) * delay) // a call takes about 25 delays
					if i%5 == 4 {                               // not together with kill, or the puncher would have no call under way
						w.system.Root.Send(a.pid, &supervise.Inject{})
					} else {
						killed += w.kill()
					}
					time.Sleep(every)
				}
				if killed < 20 {
					t.Errorf("%d actors crashed", killed)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				down := 0
				for i, got := range calls {
					if len(got) != 1 {
						t.Errorf("call %d ended %d times", i, len(got))
						continue
					}
					r := <-got
					if (r.Conn == nil) == (r.Err == nil) {
						t.Errorf("call %d ended with %v, %v", i, r.Conn, r.Err)
					}
					if errors.Is(r.Err, punch.ErrDown) {
						down++
					}
				}
				if down == 0 {
					t.Error("no call ended because of a crash")
				}
				// The connections in h.in belong to this test. Those in Reached have timed out.
				for _, h := range append(others, a) {
					for len(h.in) > 0 {
						(<-h.in).Close()
					}
				}
				for _, other := range others {
					r := <-w.reach(a, other)
					if r.Err == nil {
						talk(t, r.Conn.Take(), <-other.in)
					} else if !errors.Is(r.Err, punch.ErrTried) {
						t.Errorf("a call after the crashes: %v", r.Err)
					}
				}
				if err := w.system.Root.StopFuture(top).Wait(); err != nil {
					t.Error(err)
				}
				a.pid = nil
			})
		})
	}
}

// Requests that come while the puncher stops, which may take as long as one of its actors needs, start nothing and
// are answered.
func TestAskedWhileStopping(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		a, b := w.add(portrestricted, "30.10.10.1", relay), w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		for len(b.in) < cap(b.in) {
			b.in <- nil // Inbound blocks
		}
		first := <-w.reach(a, b)
		if first.Err != nil {
			t.Fatal(first.Err)
		}
		defer first.Conn.Drop()
		synctest.Wait()
		stopped := w.system.Root.StopFuture(b.pid)
		synctest.Wait()
		began := time.Now()
		if r := <-w.reach(b, a); !errors.Is(r.Err, punch.ErrDown) || time.Since(began) > 0 {
			t.Errorf("a call ended with %v after %v", r.Err, time.Since(began))
		}
		if got := statusOf(t, b.service.Handle(relay.self(), relay.at(), ringRequest(a.id(), a.service.State().Observed, 1))); got != statusRefused {
			t.Errorf("RING got status %d", got)
		}
		for range cap(b.in) {
			<-b.in
		}
		if err := stopped.Wait(); err != nil {
			t.Error(err)
		}
		b.pid = nil
		(<-b.in).Close()
	})
}
