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

// TestWhatAnActorGets follows one actor from its start over a restart to the end.
func TestWhatAnActorGets(t *testing.T) {
	heard := make(chan string, 100)
	spec := talk(func(ctx actor.Context, _ *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *protocols.LinkUp:
			heard <- fmt.Sprintf("LinkUp, restarted %v", msg.Restarted)
		case *protocols.LinkDown:
			heard <- fmt.Sprintf("LinkDown, %v", msg.Cause.Reason)
		case *ask:
			heard <- fmt.Sprintf("ask %d", msg.N)
			if msg.N == 2 {
				panic("two is too much")
			}
		default:
			heard <- strings.TrimPrefix(fmt.Sprintf("%T", msg), "*actor.")
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
		got = append(got, next(t, heard, p.A))
	}
	p.B.Disconnect(protocols.DiscUselessPeer)
	p.A.Wait()
	for len(heard) > 0 {
		got = append(got, <-heard)
	}
	want = append(want, "LinkDown, useless peer", "Stopping", "Stopped")
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestBreach: bytes that are not the message that their code stands for end the link,
// with words at this side and the right reason at the other, and are no crash.
func TestBreach(t *testing.T) {
	for name, c := range map[string]struct {
		code    uint64
		payload []byte
		want    []string // each stands in the cause
	}{
		"nothing":             {askCode, nil, []string{"0x00", "ask"}},
		"no list":             {askCode, []byte{0x05}, []string{"0x00", "ask", "expected input list"}},
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
				t.Errorf("%v is no DecodeError", cause.Err)
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

func TestIgnoredIsNotEvenParsed(t *testing.T) {
	heard := make(chan any, 100)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if !protocols.ReceivedAt(ctx).IsZero() {
			heard <- ctx.Message()
		}
	}), hostile())
	send(t, p.B, &protocols.RawMessage{Code: ignoredCode, Payload: []byte{0xff, 0xff}})
	send(t, p.B, &protocols.RawMessage{Code: askCode, Payload: []byte{0xc1, 0x07}})
	if got, ok := next(t, heard, p.A).(*ask); !ok || got.N != 7 {
		t.Errorf("got %+v, want what came after the ignored message", got)
	}
}

func TestRawMessage(t *testing.T) {
	type seen struct {
		protocols.RawMessage
		at time.Time
	}
	heard := make(chan seen, 1)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if raw, ok := ctx.Message().(*protocols.RawMessage); ok {
			kept := *raw
			kept.Payload = bytes.Clone(raw.Payload)
			heard <- seen{kept, protocols.ReceivedAt(ctx)}
		}
	}), byHand())
	before := time.Now()
	payload := []byte("\x86no RLP, nobody looks")
	send(t, p.B, &protocols.RawMessage{Code: rawCode, Payload: payload})
	got := next(t, heard, p.A)
	if got.Code != rawCode || !bytes.Equal(got.Payload, payload) {
		t.Errorf("got 0x%02x %q", got.Code, got.Payload)
	}
	if got.ReceivedAt != got.at || got.at.Before(before) || got.at.After(time.Now()) {
		t.Errorf("received at %v, by the context at %v; sent at %v", got.ReceivedAt, got.at, before)
	}
}

// TestTypedMessagesAreCopies keeps one and lets its buffer be used again.
func TestTypedMessagesAreCopies(t *testing.T) {
	heard := make(chan *text, 1000)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if msg, ok := ctx.Message().(*text); ok {
			heard <- msg
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
		kept = append(kept, next(t, heard, p.A))
	}
	for i, got := range kept {
		if want := fill(i); got.S != want.S || !bytes.Equal(got.B, want.B) {
			t.Fatalf("message %d has become %.20q… %v…", i, got.S, got.B[:5])
		}
	}
}

// TestContextOfTheLink: what came from the remote has no sender, and what would lose
// it without a word is a panic.
func TestContextOfTheLink(t *testing.T) {
	type outcome struct {
		sender        *actor.PID
		respond, stow any
	}
	heard := make(chan outcome, 1)
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, _ *protocols.Link) {
		if _, ok := ctx.Message().(*ask); ok {
			heard <- outcome{
				sender:  ctx.Sender(),
				respond: panicOf(func() { ctx.Respond("lost") }),
				stow:    panicOf(ctx.Stash),
			}
		}
	}), byHand())
	send(t, p.B, &ask{})
	got := next(t, heard, p.A)
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
		t.Errorf("a context that is none of the kit's received at %v", at)
	}
}

// TestNewFails: what goes wrong in New is a crash of this protocol, past its
// intensity the link's end, and never the process'.
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

// TestDisconnect: the one cause is what the actor, the link's context and the remote
// are told.
func TestDisconnect(t *testing.T) {
	causes := make(chan *protocols.Cause, 1)
	why := errors.New("genesis 1, want 2")
	p := protocoltest.NewPair(t, talk(func(ctx actor.Context, link *protocols.Link) {
		switch msg := ctx.Message().(type) {
		case *ask:
			link.DisconnectWithError(protocols.DiscUselessPeer, why)
			link.Disconnect(protocols.DiscRequested) // too late
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
		t.Errorf("the actor was told %v", got)
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
