package protocols_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// eventLog records what several actors received, in one order.
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (d *eventLog) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// take returns the events since the last call.
func (d *eventLog) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return strings.Join(lines, ", ")
}

// question is a request of a link's actor to the service; crashService makes the service panic.
type (
	question     struct{ n uint64 }
	crashService struct{}
	stopService  struct{} // makes the service try to stop itself
)

// testService is a service that records what it receives, and answers questions.
type testService struct {
	log   *eventLog
	joins func() // called at each LinkJoined, unless nil
}

func (s *testService) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.log.add("started")
	case *actor.Stopping:
		s.log.add("stopping")
	case *protocols.LinkJoined:
		s.log.add("joined %v", msg.Restarted)
		if s.joins != nil {
			s.joins()
		}
	case *protocols.LinkLeft:
		s.log.add("left %v", msg.Cause.Reason)
	case *question:
		ctx.Respond(&answer{N: msg.n + 1})
	case *crashService:
		panic(errBroken)
	case *stopService:
		ctx.Stop(ctx.Self())
	}
}

// served is talk/7 with a service. Its links pass the remote's questions on to the service, and
// the service's answers to the remote.
func served(d *eventLog, joins func()) protocols.Spec {
	s := talk(func(ctx actor.Context, link *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *ask:
			ctx.Request(link.Service(), &question{n: msg.N})
		case *answer:
			if err := link.Send(msg); err != nil {
				d.add("%v", err)
			}
		}
	})
	s.Service = func() actor.Actor { return &testService{log: d, joins: joins} }
	return s
}

func wantEvents(t *testing.T, d *eventLog, want string) {
	t.Helper()
	if got := d.take(); got != want {
		t.Errorf("actors received\n%s\nwant\n%s", got, want)
	}
}

// TestService: the service is notified of a link's start and end, and the link's actor can send
// it requests.
func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows the link
		send(t, p.B, &ask{N: 41})
		if got := protocoltest.Next[answer](p.B); got.N != 42 {
			t.Errorf("the service answered %d, want 42", got.N)
		}
		p.A.Crash() // a crash of the link's actor is not reported to the service
		synctest.Wait()
		wantEvents(t, d, "started, joined false")
		if p.B.Service() != nil {
			t.Errorf("a Spec without a service has %v", p.B.Service())
		}
		p.B.Disconnect(protocols.DiscTooManyPeers)
		p.A.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantEvents(t, d, "left too many peers, stopping")
	})
}

// TestServiceRestarts: a crash of the service does not end a link, and the new service is
// notified of the existing links.
func TestServiceRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows the link
		pid := p.A.Service()
		for range 20 { // far beyond any intensity
			p.A.Tell(pid, &crashService{})
		}
		p.A.CrashService()
		send(t, p.B, &ask{N: 1})
		if got := protocoltest.Next[answer](p.B); got.N != 2 {
			t.Errorf("the service answered %d, want 2", got.N)
		}
		wantEvents(t, d, "started, joined false"+strings.Repeat(", started, joined true", 21))
		if !p.A.Service().Equal(pid) || p.A.Cause() != nil {
			t.Errorf("the service is at %v, was at %v; cause %v", p.A.Service(), pid, p.A.Cause())
		}
	})
}

// TestServiceBackoff: at once, 10 ms, doubling to 1 s; and a service cannot stop itself.
func TestServiceBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows the link
		for range 10 {
			p.A.Tell(p.A.Service(), &stopService{})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		var backoffs []time.Duration
		for _, s := range p.A.Steps() {
			if s.Event == protocoltest.Failed {
				backoffs = append(backoffs, s.Backoff)
				if !strings.Contains(s.Reason, "does not stop by itself") || !strings.HasSuffix(s.Actor, "/service-talk") {
					t.Errorf("%s failed: %s", s.Actor, s.Reason)
				}
			}
		}
		want := "[0s 10ms 20ms 40ms 80ms 160ms 320ms 640ms 1s 1s]"
		if got := fmt.Sprint(backoffs); got != want {
			t.Errorf("backoffs %s, want %s", got, want)
		}
		if p.A.Cause() != nil {
			t.Errorf("the link ended: %v", p.A.Cause())
		}
	})
}

// TestServiceCrashesInLinkJoined: a service that crashes in LinkJoined gets it again after each
// restart.
func TestServiceCrashesInLinkJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, left := new(eventLog), 3
		p := protocoltest.NewPair(t, served(d, func() {
			if left--; left > 0 {
				panic(errBroken)
			}
		}), byHand())
		time.Sleep(time.Second)
		synctest.Wait()
		wantEvents(t, d, "started, joined false, started, joined true, started, joined true")
		if p.A.Cause() != nil {
			t.Errorf("the link ended: %v", p.A.Cause())
		}
	})
}

// TestLinkStartsWhileTheServiceIsDown: the next service is notified of the link once, although the
// notification in the mailbox reaches it as well.
func TestLinkStartsWhileTheServiceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, left := new(eventLog), 3
		spec := served(d, nil)
		inner := spec.Service
		spec.Service = func() actor.Actor {
			if left--; left > 0 {
				panic(errBroken)
			}
			return inner()
		}
		p := protocoltest.NewPair(t, spec, byHand())
		synctest.Wait()
		wantEvents(t, d, "") // it is restarted in 10 ms
		time.Sleep(time.Second)
		synctest.Wait()
		wantEvents(t, d, "started, joined false")
		if p.A.Cause() != nil {
			t.Errorf("the link ended: %v", p.A.Cause())
		}
	})
}

// TestLinkEndsWhileTheServiceIsDown: the next service is not notified of that link.
func TestLinkEndsWhileTheServiceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows the link
		p.A.Tell(p.A.Service(), &crashService{})
		p.A.Tell(p.A.Service(), &crashService{}) // restarted in 10 ms
		synctest.Wait()
		p.A.Disconnect(protocols.DiscRequested)
		synctest.Wait()
		time.Sleep(time.Second)
		p.A.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantEvents(t, d, "started, joined false, started, joined true, started, stopping")
	})
}

// TestServiceStopsInBackoff: the service is still notified of links that left.
func TestServiceStopsInBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(eventLog)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows the link
		begin := time.Now()
		p.A.Tell(p.A.Service(), &crashService{})
		p.A.Tell(p.A.Service(), &crashService{}) // restarted in 10 ms
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took >= 10*time.Millisecond {
			t.Errorf("stopping took %v", took)
		}
		wantEvents(t, d, "started, joined false, started, joined true, left client quitting, stopping")
	})
}

// TestServiceStopTimeout: a Pair waits for a service that stops within its time, and names one
// that does not.
func TestServiceStopTimeout(t *testing.T) {
	for _, c := range []struct {
		takes, timeout time.Duration
		err            string
	}{
		{400 * time.Millisecond, 0, ""},
		{8 * time.Second, 10 * time.Second, ""},
		{8 * time.Second, 0, "end A: the service took 8s to stop; a node cuts it off after 500ms (Spec.StopTimeout)"},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := new(eventLog)
			spec := served(d, nil)
			inner := spec.Service
			spec.Service = func() actor.Actor {
				service := inner()
				return actor.ReceiveFunc(func(ctx actor.Context) {
					service.Receive(ctx)
					if _, ok := ctx.Message().(*actor.Stopping); ok {
						time.Sleep(c.takes)
						d.add("flushed")
					}
				})
			}
			spec.StopTimeout = c.timeout
			p, err := protocoltest.Connect(spec, byHand())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the service knows of the link
			if err := p.Close(); fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
				t.Errorf("Close: %v, want %q", err, c.err)
			}
			wantEvents(t, d, "started, joined false, left client quitting, stopping, flushed")
		})
	}
}

// TestServiceAndHandshake: the service is notified of a link when its handshake is done, and
// never of a link whose handshake failed.
func TestServiceAndHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			err  error
			want string
		}{
			"accepted": {nil, "started, joined false, down, left client quitting, stopping"},
			"refused":  {errors.New("not this one"), "started, stopping"},
		} {
			d := new(eventLog)
			spec := greeted(func(ctx actor.Context, _ *protocols.Link) {
				if _, ok := ctx.Message().(*protocols.LinkDown); ok {
					d.add("down")
					panic(errBroken) // does not prevent the service from being notified
				}
			}, func(*protocols.Link, *status) error { return c.err })
			spec.Service = func() actor.Actor { return &testService{log: d} }
			p := protocoltest.NewPair(t, spec, hostile())
			send(t, p.B, &protocols.RawMessage{Code: statusCode, Payload: encode(t, &status{Network: 9})})
			synctest.Wait()
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			t.Log(name)
			wantEvents(t, d, c.want)
		}
	})
}

// TestNoService: a Service that returns nil is reported at each restart, and the link still
// works.
func TestNoService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := served(new(eventLog), nil)
		spec.Service = func() actor.Actor { return nil }
		p := protocoltest.NewPair(t, spec, byHand())
		time.Sleep(time.Minute)
		synctest.Wait()
		failed := 0
		for _, s := range p.A.Steps() {
			if s.Event == protocoltest.Failed && strings.Contains(s.Reason, "protocol talk: Service returned nil") {
				failed++
			}
		}
		if failed < 60 || failed > 70 || p.A.Cause() != nil {
			t.Errorf("%d failures, cause %v", failed, p.A.Cause())
		}
	})
}
