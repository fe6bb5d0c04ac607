package protocols_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// TestWhatAnActorGets follows one actor from its start through a restart to its end.
func TestWhatAnActorGets(t *testing.T) {
	events := make(chan string, 100)
	spec := talk(func(ctx actor.Context, _ *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *protocols.LinkUp:
			events <- fmt.Sprintf("LinkUp, restarted %v", msg.Restarted)
		case *protocols.LinkDown:
			events <- fmt.Sprintf("LinkDown, %v", msg.Cause.Reason)
		case *ask:
			events <- fmt.Sprintf("ask %d", msg.N)
			if msg.N == 2 {
				panic("two is too much")
			}
		default:
			events <- strings.TrimPrefix(fmt.Sprintf("%T", msg), "*actor.")
		}
	})
	p := protocoltest.NewPair(t, spec, byHand())
	for n := range uint64(3) {
		send(t, p.B, &ask{N: n + 1})
	}
	want := []string{
		"Started", "LinkUp, restarted false", "ask 1", "ask 2",
		"Restarting", "Started", "LinkUp, restarted true", "ask 3",
	}
	var got []string
	for range want {
		got = append(got, next(t, events, p.A))
	}
	p.B.Disconnect(protocols.DiscUselessPeer)
	p.A.Wait()
	for len(events) > 0 {
		got = append(got, <-events)
	}
	want = append(want, "LinkDown, useless peer", "Stopping", "Stopped")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBreach: bytes that are not a valid message of their code end the link, with a detailed
// error on this side and the right reason on the other, and are not a crash.
func TestBreach(t *testing.T) {
	for name, c := range map[string]struct {
		code    uint64
		payload []byte
		want    []string // texts that the cause must contain
	}{
		"empty":               {askCode, nil, []string{"0x00", "ask"}},
		"not a list":          {askCode, []byte{0x05}, []string{"0x00", "ask", "expected input list"}},
		"empty list":          {askCode, []byte{0xc0}, []string{"0x00", "ask", "too few elements"}},
		"one element more":    {askCode, []byte{0xc2, 0x05, 0x05}, []string{"0x00", "ask", "too many elements"}},
		"trailing byte":       {askCode, []byte{0xc1, 0x05, 0x00}, []string{"0x00", "ask", "more than one value"}},
		"leading zero":        {askCode, []byte{0xc3, 0x82, 0x00, 0x05}, []string{"ask", "non-canonical", "ask).N"}},
		"integer too large":   {askCode, []byte("\xca\x89123456789"), []string{"ask", "ask).N"}},
		"list cut short":      {answerCode, []byte{0xc8, 0x05}, []string{"0x01", "answer"}},
		"huge size":           {textCode, []byte{0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []string{"0x04", "text"}},
		"list for a string":   {textCode, []byte{0xc2, 0xc0, 0x80}, []string{"text", "text).S"}},
		"code without a type": {undefinedCode, []byte{0xc0}, []string{"0x05", "not defined", "talk/7"}},
		"last code":           {7, nil, []string{"0x07", "not defined"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, talk(idle), hostile())
			send(t, p.B, &protocols.RawMessage{Code: c.code, Payload: c.payload})
			cause := p.A.Wait()
			if cause.Side != protocols.Local || cause.Reason != protocols.DiscProtocolError ||
				cause.Protocol != "talk/7" || !cause.HasCode || cause.Code != c.code || cause.Stack != nil {
				t.Errorf("A ended with %+v", cause)
			}
			for _, want := range c.want {
				if !strings.Contains(cause.Error(), want) {
					t.Errorf("%q is missing in %q", want, cause)
				}
			}
			var wrong *protocols.DecodeError
			if errors.As(cause, &wrong) {
				if id := p.A.Peer().ID; wrong.Code != c.code || wrong.Protocol != "talk/7" || !strings.Contains(wrong.Peer, "192.0.2.2") || wrong.Err == nil || id == "" {
					t.Errorf("decode error is %+v", wrong)
				}
			} else if c.code <= textCode {
				t.Errorf("%v is not a DecodeError", cause.Err)
			}
			if n := p.A.Restarts(); n != 0 {
				t.Errorf("%d restarts", n)
			}
			if cause := p.B.Wait(); cause.Side != protocols.Remote || cause.Reason != protocols.DiscProtocolError {
				t.Errorf("B ended with %v", cause)
			}
		})
	}
}

func TestIgnoredIsNotParsed(t *testing.T) {
	events := make(chan any, 100)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if !protocols.ReceivedAt(ctx).IsZero() {
			events <- ctx.Message()
		}
	}), hostile())
	send(t, p.B, &protocols.RawMessage{Code: ignoredCode, Payload: []byte{0xff, 0xff}})
	send(t, p.B, &protocols.RawMessage{Code: askCode, Payload: []byte{0xc1, 0x07}})
	if got, ok := next(t, events, p.A).(*ask); !ok || got.N != 7 {
		t.Errorf("got %+v, want the message after the ignored one", got)
	}
}

func TestRawMessage(t *testing.T) {
	type seen struct {
		protocols.RawMessage
		at time.Time
	}
	events := make(chan seen, 1)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if raw, ok := ctx.Message().(*protocols.RawMessage); ok {
			kept := *raw
			kept.Payload = bytes.Clone(raw.Payload)
			events <- seen{kept, protocols.ReceivedAt(ctx)}
		}
	}), byHand())
	before := time.Now()
	payload := []byte("\x86not RLP, not parsed")
	send(t, p.B, &protocols.RawMessage{Code: rawCode, Payload: payload})
	got := next(t, events, p.A)
	if got.Code != rawCode || !bytes.Equal(got.Payload, payload) {
		t.Errorf("got 0x%02x %q", got.Code, got.Payload)
	}
	if got.ReceivedAt != got.at || got.at.Before(before) || got.at.After(time.Now()) {
		t.Errorf("received at %v, by the context at %v; sent at %v", got.ReceivedAt, got.at, before)
	}
}

// TestTypedMessagesAreCopies keeps a message while its buffer is reused.
func TestTypedMessagesAreCopies(t *testing.T) {
	events := make(chan *text, 1000)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if msg, ok := ctx.Message().(*text); ok {
			events <- msg
		}
	}), byHand())
	const n = 300
	fill := func(i int) text {
		return text{S: strings.Repeat(string(rune('a'+i%26)), 500), B: bytes.Repeat([]byte{byte(i)}, 500)}
	}
	for i := range n {
		send(t, p.B, fill(i))
	}
	var kept []*text
	for range n {
		kept = append(kept, next(t, events, p.A))
	}
	for i, got := range kept {
		if want := fill(i); got.S != want.S || !bytes.Equal(got.B, want.B) {
			t.Fatalf("message %d has become %.20q… %v…", i, got.S, got.B[:5])
		}
	}
}

// TestContextOfTheLink: a message from the remote has no sender, and calls that would lose an
// answer or the message panic.
func TestContextOfTheLink(t *testing.T) {
	type outcome struct {
		sender        *actor.PID
		respond, stow any
	}
	events := make(chan outcome, 1)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if _, ok := ctx.Message().(*ask); ok {
			events <- outcome{
				sender:  ctx.Sender(),
				respond: panicOf(func() { ctx.Respond("lost") }),
				stow:    panicOf(ctx.Stash),
			}
		}
	}), byHand())
	send(t, p.B, &ask{})
	got := next(t, events, p.A)
	if got.sender != nil || !strings.Contains(fmt.Sprint(got.respond), "Link.Send") || !strings.Contains(fmt.Sprint(got.stow), "Stash") {
		t.Errorf("got %+v", got)
	}
}

func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func TestReceivedAtElsewhere(t *testing.T) {
	if at := protocols.ReceivedAt(nil); !at.IsZero() {
		t.Errorf("a context that is not the kit's has ReceivedAt %v", at)
	}
}

// TestNewFails: an error in New is a crash of this protocol. Beyond its Intensity it ends the
// link, and it never ends the process.
func TestNewFails(t *testing.T) {
	for name, c := range map[string]struct {
		produce func() actor.Actor
		want    string
	}{
		"nil":   {func() actor.Actor { return nil }, "protocol talk/7: New returned nil"},
		"panic": {func() actor.Actor { panic("no database") }, "no database"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := talk(idle)
			spec.New = c.produce
			spec.Intensity = protocols.Intensity{Restarts: 1, Within: time.Hour}
			p := protocoltest.NewPair(t, spec, byHand())
			cause := p.A.Wait()
			if cause.Reason != protocols.DiscSubprotocolError || !strings.Contains(cause.Error(), c.want) || cause.Stack == nil {
				t.Errorf("ended with %v", cause)
			}
			if n := p.A.Restarts(); n != 1 {
				t.Errorf("%d restarts, want 1", n)
			}
		})
	}
}

// TestDisconnect: the actor, the link's context and the remote all get the one cause.
func TestDisconnect(t *testing.T) {
	causes := make(chan *protocols.Cause, 1)
	why := errors.New("genesis 1, want 2")
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *ask:
			link.DisconnectWithError(protocols.DiscUselessPeer, why)
			link.Disconnect(protocols.DiscRequested) // too late: the first cause stays
		case *protocols.LinkDown:
			if err := link.Send(&answer{}); err != protocols.ErrLinkDown {
				t.Errorf("Send at LinkDown: %v", err)
			}
			causes <- msg.Cause
		}
	}), byHand())
	send(t, p.B, &ask{})
	cause := p.A.Wait()
	if cause.Side != protocols.Local || cause.Reason != protocols.DiscUselessPeer || !errors.Is(cause, why) || cause.Code != askCode {
		t.Errorf("ended with %v", cause)
	}
	if got := <-causes; got != cause {
		t.Errorf("the actor received %v", got)
	}
	<-p.A.Context().Done()
	if got := context.Cause(p.A.Context()); got != error(cause) {
		t.Errorf("the context's cause is %v", got)
	}
	if err := p.A.Send(&answer{}); err != protocols.ErrLinkDown {
		t.Errorf("Send after the end: %v", err)
	}
	if err := p.A.SendSeq(func(func(any) bool) {}); err != protocols.ErrLinkDown {
		t.Errorf("SendSeq after the end: %v", err)
	}
	if cause := p.B.Wait(); cause.Side != protocols.Remote || cause.Reason != protocols.DiscUselessPeer {
		t.Errorf("B ended with %v", cause)
	}
}

// TestUnusedCode: a code among others that the version does not have ends the link.
func TestUnusedCode(t *testing.T) {
	spec := specOf(protocols.Type[ask](), protocols.Unused(), protocols.Type[text]())
	spec.New = func() actor.Actor { return &player{act: idle} }
	if err := spec.Check(); err != nil {
		t.Fatal(err)
	}
	p := protocoltest.NewPair(t, spec, hostile())
	send(t, p.B, &protocols.RawMessage{Code: 1, Payload: []byte{0xc0}})
	if cause := p.A.Wait(); cause.Reason != protocols.DiscProtocolError || !strings.Contains(cause.Error(), "0x01 is not defined in talk/7") {
		t.Errorf("A ended with %v", cause)
	}
}
