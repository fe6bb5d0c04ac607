package protocoltest

import (
	"reflect"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// Line is one line of a remote's [Script].
type Line struct {
	says  func(*protocols.Link) error // nil: the line waits for a message
	each  bool                        // it answers from now on, and the script does not wait for it
	wants reflect.Type                // the type T of the message
	hears func(msg any) (answer any, err error)
}

// Script makes a Spec whose end plays a script, line after line: a remote that greets, answers,
// falls silent or sends something invalid. A message that arrives while a line waits for another
// one ends the link, and [End.Played] reports it. After the last line the remote accepts every
// message.
//
// As with [ByHand], the kit performs the handshake. Each link plays the script once, and
// continues after a crash. The functions of the lines run in the end's actor, so they must not
// fail the test themselves.
func Script(s protocols.Spec, lines ...Line) protocols.Spec {
	s.New = func() actor.Actor { return &performer{lines: lines} }
	return s
}

// Say sends a message. If the outbox is full, it waits for room.
func Say(msg any) Line {
	return Line{says: func(l *protocols.Link) error { return l.Send(msg) }}
}

// Ask sends a request with a new ID, as protocols.Link.Ask does, so that a later line can Hear
// the answer. If no answer arrives, the script fails.
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

// Answer waits for a T and sends the message that with returns; nil sends nothing.
func Answer[T any](with func(*T) any) Line {
	return hearing(func(msg *T) (any, error) { return with(msg), nil })
}

// Each answers, from now on, every T that no line waits for, also after the last line. If with
// returns nil, nothing is sent.
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

// Played waits until the end's [Script] is over. The test fails if the script was not played to
// its last line. Only the test's own goroutine may call it.
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
