package punch_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/node/punch"
)

// asker sends one Reach to a host's puncher, and passes on each answer.
type asker struct {
	from, to *host
	got      chan *punch.Reached
}

func (a *asker) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		ctx.Send(a.from.pid, &punch.Reach{Node: a.to.self(), To: ctx.Self()})
	case *punch.Reached:
		a.got <- msg
	}
}

// reach makes from call to. The result comes through the channel.
func (w *world) reach(from, to *host) <-chan *punch.Reached {
	got := make(chan *punch.Reached, 2)
	w.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return &asker{from, to, got} }))
	return got
}

// stabilise gives the hosts the time to find out their endpoints.
func stabilise() { time.Sleep(10 * time.Second); synctest.Wait() }

// talk checks that a and b are the two ends of one connection, and closes them.
func talk(t *testing.T, a, b net.Conn) {
	t.Helper()
	go a.Write([]byte("hello"))
	got := make([]byte, 5)
	if _, err := b.Read(got); err != nil || string(got) != "hello" {
		t.Errorf("the other end read %q, %v", got, err)
	}
	a.Close()
	b.Close()
}

// expected returns the error with which a call between two kinds of NAT ends; nil: it has a connection.
func expected(a, b kind) error {
	switch {
	case a == symmetric && b == symmetric:
		return punch.ErrImpossible
	case a == symmetric && b == portrestricted, a == portrestricted && b == symmetric:
		return punch.ErrFiltered
	case a == public || b == public:
		return nil
	case a == symmetric || b == symmetric:
		return punch.ErrUDPOnly
	}
	return nil
}

func TestEveryPairOfNATs(t *testing.T) {
	kinds := []kind{public, fullcone, restricted, portrestricted, symmetric}
	for _, a := range kinds {
		for _, b := range kinds {
			t.Run(fmt.Sprintf("%v/%v", a, b), func(t *testing.T) {
				inWorld(t, func(w *world) { onePair(t, w, a, b, 12*time.Second) })
			})
		}
	}
}

// onePair lets a host behind a call one behind b.
func onePair(t *testing.T, w *world, a, b kind, limit time.Duration) {
	t.Helper()
	relay := w.add(public, "30.1.1.10")
	caller, target := w.add(a, "30.10.10.1", relay), w.add(b, "30.20.20.1", relay)
	stabilise()
	for _, h := range []*host{caller, target} {
		want := punch.EndpointIndependent
		switch h.kind {
		case public:
			want = punch.Open
		case symmetric:
			want = punch.AddressDependent
		}
		if s := h.service.State(); s.Belief != want {
			t.Fatalf("%v believes %v of its NAT, want %v", h.kind, s.Belief, want)
		}
	}
	began := time.Now()
	r := <-w.reach(caller, target)
	if took := time.Since(began); took > limit {
		t.Errorf("the call took %v, want at most %v", took, limit)
	}
	if want := expected(a, b); want != nil {
		if !errors.Is(r.Err, want) || r.Conn != nil {
			t.Fatalf("got %v, want %v", r.Err, want)
		}
		again := <-w.reach(caller, target)
		if took := time.Since(began); !errors.Is(again.Err, punch.ErrTried) && !errors.Is(again.Err, punch.ErrImpossible) {
			t.Errorf("another call after %v: %v", took, again.Err)
		}
		return
	}
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	talk(t, r.Conn.Take(), <-target.in)
	if n := caller.service.State().Calls[punch.EndedLinked]; n != 1 {
		t.Errorf("%d calls are counted", n)
	}
}

// If one datagram in ten is lost, nearly all calls succeed, and none hangs.
func TestLossyNetwork(t *testing.T) {
	const tries = 20
	linked := 0
	for i := range tries {
		inWorld(t, func(w *world) {
			relay := w.add(public, "30.1.1.10")
			a, b := w.add(portrestricted, "30.10.10.1", relay), w.add(portrestricted, "30.20.20.1", relay)
			w.mu.Lock()
			w.loss = 0.1
			for range i {
				w.random.Uint64()
			}
			w.mu.Unlock()
			stabilise()
			r := <-w.reach(a, b)
			if r.Err != nil {
				t.Logf("call %d: %v", i, r.Err)
				return
			}
			linked++
			talk(t, r.Conn.Take(), <-b.in)
		})
	}
	t.Logf("%d of %d calls succeeded", linked, tries)
	if linked < tries-4 {
		t.Errorf("%d of %d calls succeeded", linked, tries)
	}
}

// If two nodes call each other, there is one connection, and the two ends agree on which node is the RLPx initiator.
func TestBothCall(t *testing.T) {
	for lead := range 30 { // until the first call has ended
		t.Run(fmt.Sprint(lead), func(t *testing.T) {
			inWorld(t, func(w *world) {
				relay := w.add(public, "30.1.1.10")
				a, b := w.add(portrestricted, "30.10.10.1", relay), w.add(restricted, "30.20.20.1", relay)
				stabilise()
				first := w.reach(a, b)
				time.Sleep(time.Duration(lead) * delay * 2 / 3)
				second := w.reach(b, a)
				x, y := <-first, <-second
				synctest.Wait()
				switch {
				case x.Err == nil && errors.Is(y.Err, punch.ErrCrossed):
					talk(t, x.Conn.Take(), <-b.in)
				case y.Err == nil && errors.Is(x.Err, punch.ErrCrossed):
					talk(t, y.Conn.Take(), <-a.in)
				default:
					t.Fatalf("one got %v, the other %v", x.Err, y.Err)
				}
				if len(a.in)+len(b.in) > 0 {
					t.Error("there is a second connection")
				}
			})
		})
	}
}

// A call succeeds if a relay fails, as long as another relay knows the target, too.
func TestRelayDies(t *testing.T) {
	inWorld(t, func(w *world) {
		one, two := w.add(public, "30.1.1.10"), w.add(public, "30.2.2.10")
		a, b := w.add(portrestricted, "30.10.10.1", one, two), w.add(portrestricted, "30.20.20.1", one, two)
		stabilise()
		w.mu.Lock()
		delete(w.hosts, one.ip)
		w.mu.Unlock()
		r := <-w.reach(a, b)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		talk(t, r.Conn.Take(), <-b.in)
		w.mu.Lock()
		w.hosts[one.ip] = one
		w.mu.Unlock()
	})
}

// A call without a neighbour in common fails, after the neighbours were asked several times.
func TestNoWay(t *testing.T) {
	inWorld(t, func(w *world) {
		one, two := w.add(public, "30.1.1.10"), w.add(public, "30.2.2.10")
		a, b := w.add(portrestricted, "30.10.10.1", one), w.add(portrestricted, "30.20.20.1", two)
		stabilise()
		began := time.Now()
		if r := <-w.reach(a, b); !errors.Is(r.Err, punch.ErrNoNeighbour) {
			t.Errorf("got %v", r.Err)
		}
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("the call took %v", took)
		}
	})
}

// The number of calls at a time is limited.
func TestCallsAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.add(portrestricted, "30.10.10.1", w.add(public, "30.1.1.10"))
		stabilise()
		var calls []<-chan *punch.Reached
		for range 10 {
			calls = append(calls, w.reach(a, w.host(public, "30.5.5.10")))
		}
		busy := 0
		for _, got := range calls {
			if r := <-got; errors.Is(r.Err, punch.ErrBusy) {
				busy++
			}
		}
		if busy != 2 {
			t.Errorf("%d of 10 calls were refused, want 2", busy)
		}
	})
}

// A connection that no actor takes is closed.
func TestConnectionIsNotTaken(t *testing.T) {
	inWorld(t, func(w *world) {
		relay := w.add(public, "30.1.1.10")
		a, b := w.add(portrestricted, "30.10.10.1", relay), w.add(portrestricted, "30.20.20.1", relay)
		stabilise()
		<-w.reach(a, b)
		conn := <-b.in
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("the other end is still open")
		}
		conn.Close()
	})
}
