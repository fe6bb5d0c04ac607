package protocols_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

type text struct {
	S string
	B []byte
}

// Codes of talk/7, the protocol of these tests.
const (
	askCode, answerCode, rawCode, ignoredCode, textCode = 0, 1, 2, 3, 4
	undefinedCode                                       = 5
)

// talk is a Spec whose actor calls act. link is nil before LinkUp.
func talk(act func(ctx actor.Context, link *protocols.Link)) protocols.Spec {
	s := specOf(protocols.Type[ask](), protocols.Type[answer](), protocols.Raw(), protocols.Ignore(), protocols.Type[text]())
	s.New = func() actor.Actor { return &player{act: act} }
	return s
}

type player struct {
	act  func(actor.Context, *protocols.Link)
	link *protocols.Link
}

func (p *player) Receive(ctx actor.Context) {
	if up, ok := ctx.Message().(*protocols.LinkUp); ok {
		p.link = up.Link
	}
	p.act(ctx, p.link)
}

func idle(actor.Context, *protocols.Link) {}

// byHand is the other end, controlled by the test.
func byHand() protocols.Spec { return protocoltest.ByHand(talk(idle)) }

// hostile is another end, which can send any bytes with any code.
func hostile() protocols.Spec {
	s := specOf()
	for range s.Versions[0].Length {
		s.Versions[0].Messages = append(s.Versions[0].Messages, protocols.Raw())
	}
	return protocoltest.ByHand(s)
}

func send(t *testing.T, from *protocoltest.End, msg any) {
	t.Helper()
	if err := from.Send(msg); err != nil {
		t.Fatal(err)
	}
}

// next waits for a value from an actor.
func next[T any](t *testing.T, from <-chan T, ends *protocoltest.End) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-ends.Context().Done():
		select {
		case v := <-from:
			return v
		default:
			t.Fatalf("no value arrived, and the link has ended: %v", ends.Wait())
		}
	}
	panic("unreachable")
}
