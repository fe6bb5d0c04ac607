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

// diary is what several actors were told, in one order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// take gives what was written since the last time.
func (d *diary) take() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return strings.Join(lines, ", ")
}

// question is what a link's actor asks the service, and mishap makes that crash.
type (
	question struct{ n uint64 }
	mishap   struct{}
	farewell struct{} // the service is to stop
)

// desk is a service that writes down what it is told, and answers questions.
type desk struct {
	diary *diary
	joins func() // called at each LinkJoined; nil: nothing
}

func (s *desk) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.diary.add("started")
	case *actor.Stopping:
		s.diary.add("stopping")
	case *protocols.LinkJoined:
		s.diary.add("joined %v", msg.Restarted)
		if s.joins != nil {
			s.joins()
		}
	case *protocols.LinkLeft:
		s.diary.add("left %v", msg.Cause.Reason)
	case *question:
		ctx.Respond(&answer{N: msg.n + 1})
	case *mishap:
		panic(errBroken)
	case *farewell:
		ctx.Stop(ctx.Self())
	}
}

// served is talk/7 with a service. Its links pass on what they are asked to the service,
// and to the remote what that says.
func served(d *diary, joins func()) protocols.Spec {
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
	s.Service = func() actor.Actor { return &desk{diary: d, joins: joins} }
	return s
}

func wantDiary(t *testing.T, d *diary, want string) {
	t.Helper()
	if got := d.take(); got != want {
		t.Errorf("actors were told\n%s\nwant\n%s", got, want)
	}
}

// TestService: the service hears of a link's beginning and end, and its actor can ask it.
func TestService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows of the link
		send(t, p.B, &ask{N: 41})
		if got := protocoltest.Next[answer](p.B); got.N != 42 {
			t.Errorf("the service answered %d, want 42", got.N)
		}
		p.A.Crash() // of the link's actor: nothing to tell the service
		synctest.Wait()
		wantDiary(t, d, "started, joined false")
		if p.B.Service() != nil {
			t.Errorf("a Spec without a service has %v", p.B.Service())
		}
		p.B.Disconnect(protocols.DiscTooManyPeers)
		p.A.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantDiary(t, d, "left too many peers, stopping")
	})
}

// TestServiceRestarts: a crash of the service is no link's, and the new one is told of the
// links that there are.
func TestServiceRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows of the link
		pid := p.A.Service()
		for range 20 { // far beyond any intensity
			p.A.Tell(pid, &mishap{})
		}
		p.A.CrashService()
		send(t, p.B, &ask{N: 1})
		if got := protocoltest.Next[answer](p.B); got.N != 2 {
			t.Errorf("the service answered %d, want 2", got.N)
		}
		wantDiary(t, d, "started, joined false"+strings.Repeat(", started, joined true", 21))
		if !p.A.Service().Equal(pid) || p.A.Cause() != nil {
			t.Errorf("the service is at %v, was at %v; cause %v", p.A.Service(), pid, p.A.Cause())
		}
	})
}

// TestServiceBackoff: at once, 10 ms, doubling to 1 s; and it does not stop by itself.
func TestServiceBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows of the link
		for range 10 {
			p.A.Tell(p.A.Service(), &farewell{})
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

// TestServiceCrashesOverALink: it is told of it again, until it takes it.
func TestServiceCrashesOverALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, left := new(diary), 3
		p := protocoltest.NewPair(t, served(d, func() {
			if left--; left > 0 {
				panic(errBroken)
			}
		}), byHand())
		time.Sleep(time.Second)
		synctest.Wait()
		wantDiary(t, d, "started, joined false, started, joined true, started, joined true")
		if p.A.Cause() != nil {
			t.Errorf("the link ended: %v", p.A.Cause())
		}
	})
}

// TestLinkComesWhileTheServiceIsDown: the next one is told of it once, though the news
// waits for it, too.
func TestLinkComesWhileTheServiceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, left := new(diary), 3
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
		wantDiary(t, d, "") // it is back in 10 ms
		time.Sleep(time.Second)
		synctest.Wait()
		wantDiary(t, d, "started, joined false")
		if p.A.Cause() != nil {
			t.Errorf("the link ended: %v", p.A.Cause())
		}
	})
}

// TestLinkEndsWhileTheServiceIsDown: the next one has never heard of it.
func TestLinkEndsWhileTheServiceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows of the link
		p.A.Tell(p.A.Service(), &mishap{})
		p.A.Tell(p.A.Service(), &mishap{}) // back in 10 ms
		synctest.Wait()
		p.A.Disconnect(protocols.DiscRequested)
		synctest.Wait()
		time.Sleep(time.Second)
		p.A.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		wantDiary(t, d, "started, joined false, started, joined true, started, stopping")
	})
}

// TestServiceStopsInBackoff: it hears all the same of links that left.
func TestServiceStopsInBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		p := protocoltest.NewPair(t, served(d, nil), byHand())
		synctest.Wait() // the service knows of the link
		begin := time.Now()
		p.A.Tell(p.A.Service(), &mishap{})
		p.A.Tell(p.A.Service(), &mishap{}) // back in 10 ms
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took >= 10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		wantDiary(t, d, "started, joined false, started, joined true, left client quitting, stopping")
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
			d := new(diary)
			spec := served(d, nil)
			inner := spec.Service
			spec.Service = func() actor.Actor {
				desk := inner()
				return actor.ReceiveFunc(func(ctx actor.Context) {
					desk.Receive(ctx)
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
			wantDiary(t, d, "started, joined false, left client quitting, stopping, flushed")
		})
	}
}

// TestServiceAndHandshake: a link counts when its handshake is done, and one that fails
// before never was.
func TestServiceAndHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			err  error
			want string
		}{
			"accepted": {nil, "started, joined false, down, left client quitting, stopping"},
			"refused":  {errors.New("not this one"), "started, stopping"},
		} {
			d := new(diary)
			spec := greeted(func(ctx actor.Context, _ *protocols.Link) {
				if _, ok := ctx.Message().(*protocols.LinkDown); ok {
					d.add("down")
					panic(errBroken) // keeps the service from nothing
				}
			}, func(*protocols.Link, *status) error { return c.err })
			spec.Service = func() actor.Actor { return &desk{diary: d} }
			p := protocoltest.NewPair(t, spec, hostile())
			send(t, p.B, &protocols.RawMessage{Code: statusCode, Payload: encode(t, &status{Network: 9})})
			synctest.Wait()
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			t.Log(name)
			wantDiary(t, d, c.want)
		}
	})
}

// TestNoService: an author who makes none is told so, again and again, and has his link.
func TestNoService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := served(new(diary), nil)
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
