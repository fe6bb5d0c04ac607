package protocols_test

import (
	"context"
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

type (
	getBlocks struct{ ID, From uint64 }
	blocks    struct {
		ID   uint64
		Data []byte
	}
	getRoots struct{ ID uint64 }
	roots    struct{ ID uint64 }
)

// Codes of the messages of asking.
const getBlocksCode, blocksCode, getRootsCode, rootsCode, plainCode = 0, 1, 2, 3, 4

// asking is a Spec with requests; act is the behaviour of its actor.
func asking(act func(actor.Context, *protocols.Link)) protocols.Spec {
	s := specOf(
		protocols.Type[getBlocks](),
		protocols.Type[blocks](protocols.Answers[getBlocks]()),
		protocols.Type[getRoots](),
		protocols.Type[roots](protocols.Answers[getRoots]()),
		protocols.Type[ask](),
	)
	s.New = talk(act).New
	return s
}

func askedByHand() protocols.Spec { return protocoltest.ByHand(asking(idle)) }

// notes records what an actor received. It has a lock because a test reads it between two events
// of the clock.
type notes struct {
	mu   sync.Mutex
	seen []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, fmt.Sprintf(format, args...))
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return fmt.Sprint(n.seen)
}

// outcomes records what an actor receives about its requests.
func outcomes(into *notes) func(actor.Context, *protocols.Link) {
	return func(ctx actor.Context, _ *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *blocks:
			into.add("blocks %d %s", msg.ID, msg.Data)
		case *roots:
			into.add("roots %d", msg.ID)
		case *protocols.AskFailed:
			into.add("failed %d %+v: %v", msg.ID, msg.Request, msg.Err)
		case *protocols.LinkUp, *protocols.LinkDown:
			into.add("%s", strings.TrimPrefix(fmt.Sprintf("%T", msg), "*protocols."))
		}
	}
}

// mustAsk sends a request from end A.
func mustAsk(t *testing.T, p *protocoltest.Pair, request any, opts ...protocols.AskOption) uint64 {
	t.Helper()
	id, err := p.A.Ask(request, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// TestAsk: answers arrive in any order, each is matched to its request, with its latency; the
// caller's request is not changed.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(notes)
		p := protocoltest.NewPair(t, asking(outcomes(seen)), askedByHand())
		q := &getBlocks{ID: 77, From: 5}
		first, second := mustAsk(t, p, q), mustAsk(t, p, getRoots{})
		if first == second || q.ID != 77 {
			t.Errorf("IDs %d and %d, the request is %+v", first, second, q)
		}
		if got := protocoltest.Next[getBlocks](p.B); *got != (getBlocks{ID: first, From: 5}) {
			t.Errorf("B received %+v", got)
		}
		if got := protocoltest.Next[getRoots](p.B); got.ID != second {
			t.Errorf("B received %+v", got)
		}
		time.Sleep(80 * time.Millisecond)
		send(t, p.B, &roots{ID: second})
		synctest.Wait()
		time.Sleep(80 * time.Millisecond)
		send(t, p.B, &blocks{ID: first, Data: []byte("five")})
		synctest.Wait()
		expect(t, "received", seen, []string{"LinkUp", fmt.Sprint("roots ", second), fmt.Sprintf("blocks %d five", first)})
		expect(t, "stats", p.A.AskStats(), protocols.AskStats{
			Asked: 2, Answered: 2, LastLatency: 160 * time.Millisecond, Latency: 90 * time.Millisecond,
		})
		expect(t, "stats of the end that answers", p.B.AskStats(), protocols.AskStats{})
	})
}

// TestAskTimeout: the actor is notified at the timeout. Later answers are dropped and counted,
// and so are answers to requests that were never sent, and second answers.
func TestAskTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(notes)
		p := protocoltest.NewPair(t, asking(outcomes(seen)), askedByHand())
		slow := mustAsk(t, p, &getBlocks{From: 9})
		short := mustAsk(t, p, &getRoots{}, protocols.Within(time.Second))
		twice := mustAsk(t, p, &getRoots{})
		send(t, p.B, &roots{ID: twice})
		send(t, p.B, &roots{ID: twice})
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{"LinkUp", fmt.Sprint("roots ", twice), fmt.Sprintf("failed %d &{ID:%d}: no answer in time: waited 1s", short, short)}
		expect(t, "received after a second", seen, want)
		time.Sleep(protocols.DefaultAskTimeout - time.Second)
		synctest.Wait()
		want = append(want, fmt.Sprintf("failed %d &{ID:%d From:9}: no answer in time: waited 15s", slow, slow))
		send(t, p.B, &blocks{ID: slow})
		send(t, p.B, &roots{ID: short})
		send(t, p.B, &roots{ID: twice + 1})
		send(t, p.B, &roots{ID: 0})
		synctest.Wait()
		expect(t, "received", seen, want)
		s := p.A.AskStats()
		s.Latency, s.LastLatency = 0, 0
		expect(t, "stats", s, protocols.AskStats{Asked: 3, Answered: 1, TimedOut: 2, Late: 3, Unasked: 2})
		if p.A.Cause() != nil {
			t.Error("the link has ended")
		}
	})
}

// TestAskIsRefused: an invalid request is not sent, and does not count as in flight.
func TestAskIsRefused(t *testing.T) {
	spec := asking(idle)
	spec.Limits.Asks = 2
	p := protocoltest.NewPair(t, spec, askedByHand())
	var unknown *protocols.UnknownTypeError
	for name, c := range map[string]struct {
		request any
		opts    []protocols.AskOption
		want    string
	}{
		"no message":  {"hello", nil, "string is not a message of talk/7"},
		"nil":         {nil, nil, "<nil> is not a message"},
		"nil pointer": {(*getBlocks)(nil), nil, "nil pointer"},
		"no request":  {&ask{}, nil, "no message has the option Answers"},
		"no time":     {&getBlocks{}, []protocols.AskOption{protocols.Within(0)}, "time-out of 0s"},
	} {
		_, err := p.A.Ask(c.request, c.opts...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.A.Ask(7); !errors.As(err, &unknown) {
		t.Errorf("%T", err)
	}
	if _, err := protocols.AskThen(p.A.Link, &getBlocks{}, func(*roots, error) {}); err == nil || !strings.Contains(err.Error(), "blocks, not protocols_test.roots") {
		t.Errorf("wrong type of answer: %v", err)
	}
	first := mustAsk(t, p, &getRoots{})
	mustAsk(t, p, &getRoots{})
	if _, err := p.A.Ask(&getRoots{}); err != protocols.ErrTooManyAsks {
		t.Errorf("a third request with a limit of two: %v", err)
	}
	if !p.A.Cancel(first) || p.A.Cancel(first) {
		t.Error("a request must be cancelled exactly once")
	}
	mustAsk(t, p, &getRoots{})
	expect(t, "in flight", p.A.AskStats().InFlight, 2)
	expect(t, "asked", p.A.AskStats().Asked, 3)
}

// TestWrongAnswers: a wrong answer ends the link, and the error names the message.
func TestWrongAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		code    uint64
		payload []byte
		want    string
	}{
		"another type": {rootsCode, []byte{0xc1, 0x01}, "0x03 of talk/7 answers request 1, *protocols_test.getBlocks, which expects 0x01"},
		"no ID":        {blocksCode, []byte{0xc0}, "is not a valid protocols_test.blocks: request ID"},
		"no list":      {blocksCode, []byte{0x05}, "is not a valid protocols_test.blocks: rlp"},
		"bad rest":     {blocksCode, []byte{0xc2, 0x01, 0xc0}, "blocks).Data"},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, asking(idle), hostile())
			mustAsk(t, p, &getBlocks{})
			send(t, p.B, &protocols.RawMessage{Code: c.code, Payload: c.payload})
			if cause := p.A.Wait(); cause.Reason != protocols.DiscProtocolError || !strings.Contains(cause.Error(), c.want) {
				t.Errorf("ended with %v", cause)
			}
		})
	}
}

// TestAskEndsWithTheLink: at the end of the link all waiting requests fail, in their order,
// before LinkDown.
func TestAskEndsWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(notes)
		p := protocoltest.NewPair(t, asking(outcomes(seen)), askedByHand())
		mustAsk(t, p, &getRoots{})
		if _, err := protocols.AskThen(p.A.Link, &getRoots{}, func(r *roots, err error) {
			seen.add("then %v %v", r, err)
		}); err != nil {
			t.Error(err)
		}
		called := make(chan error, 1)
		go func() {
			_, err := protocols.Call[roots](t.Context(), p.A.Link, &getRoots{})
			called <- err
		}()
		synctest.Wait()
		p.Cut()
		p.A.Wait()
		synctest.Wait()
		expect(t, "received", seen, []string{"LinkUp", "failed 1 &{ID:1}: link is down", "then <nil> link is down", "LinkDown"})
		expect(t, "the call", <-called, protocols.ErrLinkDown)
		_, err := p.A.Ask(&getRoots{})
		expect(t, "an ask after it", err, protocols.ErrLinkDown)
		expect(t, "in flight", p.A.AskStats().InFlight, 0)
	})
}

// TestAskOverRestart: an answer delivered as a message reaches the next actor, and so does a
// timeout; a continuation belongs to its actor and is never called after a restart.
func TestAskOverRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := new(notes)
		p := protocoltest.NewPair(t, asking(outcomes(seen)), askedByHand())
		kept := mustAsk(t, p, &getBlocks{})
		mustAsk(t, p, &getRoots{}, protocols.Within(time.Minute))
		dropped, err := protocols.AskThen(p.A.Link, &getBlocks{}, func(*blocks, error) { t.Error("the continuation was called after a restart") })
		if err != nil {
			t.Fatal(err)
		}
		p.A.Crash()
		send(t, p.B, &blocks{ID: dropped})
		send(t, p.B, &blocks{ID: kept})
		time.Sleep(time.Hour)
		synctest.Wait()
		expect(t, "received", seen, []string{"LinkUp", "LinkUp", fmt.Sprintf("blocks %d ", kept), "failed 2 &{ID:2}: no answer in time: waited 1m0s"})
		expect(t, "late", p.A.AskStats().Late, 1)
	})
}

// TestAskThen: the continuation runs in the actor's turn with the context of the answer, and a
// panic in it is the actor's crash.
func TestAskThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type outcome struct {
			got  *blocks
			err  error
			self bool
			now  any
			at   bool
		}
		var seen []outcome
		p := protocoltest.NewPair(t, asking(func(ctx actor.Context, link *protocols.Link) {
			up, ok := ctx.Message().(*protocols.LinkUp)
			if !ok || up.Restarted {
				return
			}
			note := func(got *blocks, err error) {
				seen = append(seen, outcome{got, err, ctx.Self().Equal(link.Self()), ctx.Message(), !protocols.ReceivedAt(ctx).IsZero()})
				if got != nil && got.ID == 3 {
					panic("three is too much")
				}
			}
			for range 3 {
				if _, err := protocols.AskThen(link, &getBlocks{}, note); err != nil {
					t.Error(err)
				}
			}
		}), askedByHand())
		send(t, p.B, &blocks{ID: 2})
		time.Sleep(protocols.DefaultAskTimeout - time.Second)
		send(t, p.B, &blocks{ID: 3})
		synctest.Wait()
		expect(t, "restarts", p.A.Restarts(), 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(seen) != 2 || seen[0].got.ID != 2 || seen[0].err != nil || !seen[0].self || seen[0].now != any(seen[0].got) || !seen[0].at || seen[1].got.ID != 3 {
			t.Errorf("received %+v", seen)
		}
	})
}

// TestCall: Call waits in a goroutine, and not longer than its context.
func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, asking(func(ctx actor.Context, link *protocols.Link) {
			if q, ok := ctx.Message().(*getBlocks); ok && q.From > 0 {
				if err := link.Send(&blocks{ID: q.ID, Data: fmt.Append(nil, q.From)}); err != nil {
					t.Error(err)
				}
			}
		}), asking(idle))
		got, err := protocols.Call[blocks](t.Context(), p.B.Link, &getBlocks{From: 8})
		if err != nil || string(got.Data) != "8" {
			t.Errorf("got %+v, %v", got, err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		if _, err := protocols.Call[blocks](ctx, p.B.Link, &getBlocks{}); err != gone {
			t.Errorf("cancelled: %v", err)
		}
		if _, err := protocols.Call[blocks](t.Context(), p.B.Link, &getBlocks{}); !errors.Is(err, protocols.ErrAskTimeout) {
			t.Errorf("unanswered: %v", err)
		}
		if _, err := protocols.Call[roots](t.Context(), p.B.Link, &getBlocks{}); err == nil {
			t.Error("a wrong type of answer was accepted")
		}
		expect(t, "in flight", p.B.AskStats().InFlight, 0)
	})
}

// TestUnaskedIsNotDecoded: of an answer without a request only the ID is read.
func TestUnaskedIsNotDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, asking(idle), hostile())
		send(t, p.B, &protocols.RawMessage{Code: blocksCode, Payload: []byte{0xc2, 0x09, 0xc0}}) // Data is not a list here
		synctest.Wait()
		expect(t, "unasked", p.A.AskStats().Unasked, 1)
		if p.A.Cause() != nil {
			t.Error("the link has ended")
		}
	})
}
