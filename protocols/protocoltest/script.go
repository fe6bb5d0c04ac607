package protocoltest

import (
	"reflect"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// Line is one line of a remote's [Script].
type Line struct {
	says  func(*protocols.Link) error // nil: it waits for a message
	each  bool                        // it answers from now on, and nothing waits for it
	wants reflect.Type                // of the message, T
	hears func(msg any) (answer any, err error)
}

// Script makes a Spec whose end plays by a script, line after line: a remote that greets,
// answers, falls silent or says what it should not. What comes while a line waits for
// something else ends the link, and [End.Played] says what it was. After the last line the
// remote takes whatever comes.
//
// As with [ByHand], the kit goes through the handshake. Each link has a performance of its
// own, which goes on after a crash. The functions that lines are made with run in the end's
// actor: they must not fail the test themselves.
func Script(s protocols.Spec, lines ...Line) protocols.Spec {
	s.New = func() actor.Actor { return &performer{lines: lines} }
	return s
}

// Say sends a message. Where the outbox is full, it waits for room.
func Say(msg any) Line {
	return Line{says: func(l *protocols.Link) error { return l.Send(msg) }}
}

// Ask sends a request with an ID of its own, as protocols.Link.Ask does, so that a later
// line can hear the answer. If none comes, the script fails.
func Ask(request any) Line {
	return Line{says: func(l *protocols.Link) error {
		_, err := l.Ask(request)
		return err
	}}
}

// Hear waits for a T. An error of a check fails the script.
func Hear[T any](checks ...func(*T) error) Line {
	return hearing(func(msg *T) (any, error) {
		for _, check := range checks {
			if err := check(msg); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// Answer waits for a T and sends what it is answered with; nil is silence.
func Answer[T any](with func(*T) any) Line {
	return hearing(func(msg *T) (any, error) { return with(msg), nil })
}

// Each answers every T from now on that no line waits for, also after the last line; nil
// is silence.
func Each[T any](with func(*T) any) Line {
	l := Answer(with)
	l.each = true
	return l
}

// Quit ends the link.
func Quit(reason protocols.DiscReason) Line {
	return Line{says: func(l *protocols.Link) error {
		l.Disconnect(reason)
		return nil
	}}
}

func hearing[T any](hears func(*T) (any, error)) Line {
	return Line{wants: reflect.TypeFor[T](), hears: func(msg any) (any, error) { return hears(msg.(*T)) }}
}

// Played waits until the end's [Script] is over. The test fails if it could not be played
// to its last line. It is called by the test's own goroutine.
func (e *End) Played() {
	e.tb.Helper()
	p := protocols.State[play](e.Link)
	if !closes(p.over()) {
		e.tb.Fatalf("end %s: after %v the script still waits at line %d", e.name, patience, p.line()+1)
	}
	if err := p.result(); err != nil {
		e.tb.Fatalf("end %s: %v", e.name, err)
	}
}
