package protocols_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

type stubborn struct{}

var errStubborn = errors.New("cannot be encoded")

func (stubborn) EncodeRLP(io.Writer) error { return errStubborn }

func TestSend(t *testing.T) {
	spec := talk(idle)
	spec.Versions[0].Messages = append(spec.Versions[0].Messages, protocols.Type[stubborn]())
	p := protocoltest.NewPair(t, spec, byHand())
	unknown := func(what string) func(error) bool {
		return func(err error) bool {
			var u *protocols.UnknownTypeError
			return errors.As(err, &u) && u.Protocol == "talk/7" && u.Type == what && strings.Contains(err.Error(), what)
		}
	}
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	for name, c := range map[string]struct {
		msg  any
		want func(error) bool
	}{
		"nil":                {nil, unknown("<nil>")},
		"not a message":      {"hello", unknown("string")},
		"pointer to pointer": {new(*ask), unknown("**protocols_test.ask")},
		"nil pointer":        {(*ask)(nil), func(err error) bool { return strings.Contains(err.Error(), "*protocols_test.ask") }},
		"nil raw message":    {(*protocols.RawMessage)(nil), unknown("*protocols.RawMessage")},
		"raw for a type":     {&protocols.RawMessage{Code: askCode}, unknown("raw message 0x00")},
		"raw for ignored":    {&protocols.RawMessage{Code: ignoredCode}, unknown("raw message 0x03")},
		"raw for undefined":  {&protocols.RawMessage{Code: 7}, unknown("raw message 0x07")},
		"raw beyond length":  {&protocols.RawMessage{Code: 1 << 63}, unknown("raw message 0x8000000000000000")},
		"encoder that fails": {stubborn{}, is(errStubborn)},
		"too large":          {&protocols.RawMessage{Code: rawCode, Payload: make([]byte, 1<<24)}, is(protocols.ErrMessageTooLarge)},
		"too large as frame": {&protocols.RawMessage{Code: rawCode, Payload: noise(1<<24 - 1)}, is(protocols.ErrFrameTooLarge)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.A.Send(c.msg); err == nil || !c.want(err) {
				t.Errorf("error is %v", err)
			}
		})
	}
	// None of these was sent, and the link stays up.
	send(t, p.A, ask{N: 1})
	send(t, p.A, &ask{N: 2})
	send(t, p.A, &protocols.RawMessage{Code: rawCode, Payload: []byte("three")})
	if one, two := protocoltest.Next[ask](p.B), protocoltest.Next[ask](p.B); one.N != 1 || two.N != 2 {
		t.Errorf("got %v and %v", one, two)
	}
	if got := protocoltest.Next[protocols.RawMessage](p.B); string(got.Payload) != "three" {
		t.Errorf("got %q", got.Payload)
	}
}

// noise is data that snappy cannot compress.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// TestSendFromAnywhere sends from many goroutines at once, across restarts of the actor.
func TestSendFromAnywhere(t *testing.T) {
	const senders, each = 8, 200
	p := protocoltest.NewPair(t, talk(idle), byHand())
	var wg sync.WaitGroup
	for s := range uint64(senders) {
		wg.Go(func() {
			for i := range uint64(each) {
				if err := p.A.Send(&ask{N: s*each + i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		p.A.Crash()
	}
	wg.Wait()
	last := map[uint64]uint64{}
	for range senders * each {
		n := protocoltest.Next[ask](p.B).N
		sender, i := n/each, n%each
		if next := last[sender]; i != next {
			t.Fatalf("sender %d: message %d arrived, want %d", sender, i, next)
		}
		last[sender] = i + 1
	}
}

// slowReader is an end that reads nothing until release closes.
func slowReader(release <-chan struct{}) protocols.Spec {
	s := talk(func(ctx actor.Context, _ *protocols.Link) {
		if !protocols.ReceivedAt(ctx).IsZero() {
			<-release
		}
	})
	s.Limits = protocols.Limits{Inbound: 10_000}
	return s
}

// TestOutboxFull: a refused Send has queued nothing, one Drained follows, and the rest arrives.
func TestOutboxFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		drained := make(chan struct{}, 10)
		spec := talk(func(ctx actor.Context, _ *protocols.Link) {
			if _, ok := ctx.Message().(*protocols.Drained); ok {
				drained <- struct{}{}
			}
		})
		spec.Limits = protocols.Limits{Outbox: 100_000}
		p := protocoltest.NewPair(t, spec, slowReader(release), protocoltest.Buffer(10_000))
		payload := noise(1000)
		taken := 0
		for fill := func() error { return p.A.Send(&text{B: payload}) }; ; taken++ {
			if err := fill(); err == protocols.ErrOutboxFull {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if sent := taken * len(payload); sent < 90_000 || sent > 200_000 {
			t.Errorf("%d bytes were queued before the outbox of 100,000 was full", sent)
		}
		for range 5 {
			if err := p.A.Send(&text{B: payload}); err != protocols.ErrOutboxFull {
				t.Errorf("another Send: %v", err)
			}
		}
		synctest.Wait()
		if len(drained) > 0 {
			t.Error("Drained arrived before anything was read")
		}
		close(release)
		synctest.Wait()
		if len(drained) != 1 {
			t.Errorf("Drained arrived %d times, want once", len(drained))
		}
		send(t, p.A, &text{B: payload})
		synctest.Wait()
		if len(drained) != 1 {
			t.Errorf("Drained arrived %d times, want no more", len(drained))
		}
	})
}

// TestAnswersHoldTheRemoteBack: while a remote does not read, its requests are not handled; the
// answers stay within the limits.
func TestAnswersHoldTheRemoteBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		answer, served := noise(1000), 0
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			if _, ok := ctx.Message().(*ask); ok {
				served++
				if err := link.Send(&text{B: answer}); err != nil {
					t.Error(err)
				}
			}
		})
		spec.Limits = protocols.Limits{Outbox: 100_000, HighWater: 50_000}
		p := protocoltest.NewPair(t, spec, slowReader(release), protocoltest.Buffer(10_000))
		const asked = 1000
		for range asked {
			send(t, p.B, &ask{})
		}
		synctest.Wait()
		if served > 150 {
			t.Errorf("%d requests were handled while the remote did not read; high water is 50 answers, and some are in transit", served)
		}
		close(release)
		synctest.Wait()
		if served != asked {
			t.Errorf("%d requests were handled in the end, want %d", served, asked)
		}
	})
}

// TestKeptAnswers: an actor that keeps a refused answer gets nothing more to answer before its
// Drained, however little is queued. So a remote cannot make it keep more.
func TestKeptAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		large := noise(90_000)
		var kept []any
		most, served := 0, 0
		reply := func(link *protocols.Link, msg any) {
			switch err := link.Send(msg); err {
			case nil:
				served++
			case protocols.ErrOutboxFull:
				kept = append(kept, msg)
				most = max(most, len(kept))
			default:
				t.Error(err)
			}
		}
		spec := talk(func(ctx actor.Context, link *protocols.Link) {
			switch ctx.Message().(type) {
			case *ask:
				reply(link, &text{B: large})
			case *protocols.Drained:
				again := kept
				kept = nil
				for _, msg := range again {
					reply(link, msg)
				}
			}
		})
		spec.Limits = protocols.Limits{Outbox: 100_000, HighWater: 95_000}
		p := protocoltest.NewPair(t, spec, slowReader(release), protocoltest.Buffer(10_000))
		const asked = 50
		for range asked {
			send(t, p.B, &ask{})
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if served != asked || most != 1 {
			t.Errorf("%d of %d requests were handled, at most %d answers were kept; want one", served, asked, most)
		}
	})
}

func TestState(t *testing.T) {
	type counter struct{ n int }
	got := make(chan int, 10)
	spec := talk(func(ctx actor.Context, link *protocols.Link) {
		switch ctx.Message().(type) {
		case *protocols.LinkUp:
			protocols.State[counter](link).n++
		case *ask:
			got <- protocols.State[counter](link).n
		}
	})
	first, second := protocoltest.NewPair(t, spec, byHand()), protocoltest.NewPair(t, spec, byHand())
	first.A.Crash()
	first.A.Crash()
	send(t, first.B, &ask{})
	send(t, second.B, &ask{})
	if a, b := next(t, got, first.A), next(t, got, second.A); a+b != 4 || a*b != 3 {
		t.Errorf("the states count %d and %d incarnations, want 3 on one link and 1 on the other", a, b)
	}
	if n := *protocols.State[int](first.A.Link); n != 0 {
		t.Errorf("another type's state is %d", n)
	}
	states := make(chan *string, 2)
	for range 2 {
		go func() { states <- protocols.State[string](first.A.Link) }()
	}
	if one, other := <-states, <-states; one != other {
		t.Error("State returned two states of one type")
	}
}

func TestPeerInfo(t *testing.T) {
	type info struct{ Head uint64 }
	for name, c := range map[string]struct {
		hook func(*protocols.Link) any
		want string
	}{
		"no hook":     {nil, "unknown"},
		"no info yet": {func(*protocols.Link) any { return nil }, "handshake"},
		"nil pointer": {func(*protocols.Link) any { return (*info)(nil) }, "handshake"},
		"pointer":     {func(*protocols.Link) any { return &info{7} }, "&{7}"},
		"of the link": {func(l *protocols.Link) any { return fmt.Sprint(l.Version()) }, "7"},
		"panic":       {func(*protocols.Link) any { panic("oops") }, "PeerInfo of talk/7 panicked: oops"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := talk(idle)
			spec.PeerInfo = c.hook
			p := protocoltest.NewPair(t, spec, byHand())
			if got := fmt.Sprint(p.A.PeerInfo()); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
