package protocoltest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// play is the state of a link's script. It outlives the performer.
type play struct {
	mu    sync.Mutex
	next  int           // index of the next line to play
	ended bool          // the last line was played, or a line failed
	err   error         // the error of the line that failed
	done  chan struct{} // closes when ended is set

	// Only the performer's turn uses the fields below.
	received []any  // in order; the current line waits for the first
	standing []Line // the lines of Each
	answer   any    // an answer that found no room yet
}

func (p *play) over() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doneLocked()
}

func (p *play) doneLocked() chan struct{} {
	if p.done == nil {
		p.done = make(chan struct{})
	}
	return p.done
}

// end stores the first result. It returns false if there was one already.
func (p *play) end(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.ended, p.err = true, err
	close(p.doneLocked())
	return true
}

func (p *play) result() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *play) line() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

func (p *play) advance() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
}

// performer is the actor that plays a script.
type performer struct {
	lines []Line
	link  *protocols.Link
	play  *play
}

func (p *performer) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		p.link, p.play = msg.Link, protocols.State[play](msg.Link)
		p.goOn()
	case *protocols.Drained:
		p.goOn()
	case *protocols.AskFailed:
		p.fail(fmt.Errorf("no answer to %T: %w", msg.Request, msg.Err))
	case *protocols.LinkDown:
		p.fail(fmt.Errorf("the link has ended: %w", msg.Cause))
	default:
		if !protocols.ReceivedAt(ctx).IsZero() {
			p.play.received = append(p.play.received, kept(msg))
			p.goOn()
		}
	}
}

// goOn plays lines until one waits, for a message or for room in the outbox.
func (p *performer) goOn() {
	for p.play.result() == nil {
		if p.play.answer != nil {
			if !p.send(func(l *protocols.Link) error { return l.Send(p.play.answer) }) {
				return
			}
			p.play.answer = nil
		}
		n := p.play.line()
		switch {
		case n < len(p.lines) && p.lines[n].says != nil:
			if !p.send(p.lines[n].says) {
				return
			}
			p.play.advance()
		case n < len(p.lines) && p.lines[n].each:
			p.play.standing = append(p.play.standing, p.lines[n])
			p.play.advance()
		default:
			if n == len(p.lines) {
				p.play.end(nil)
			}
			if len(p.play.received) == 0 {
				return
			}
			msg := p.play.received[0]
			p.play.received = p.play.received[1:]
			p.hear(n, msg)
		}
	}
}

// send returns false if the script cannot continue now.
func (p *performer) send(says func(*protocols.Link) error) bool {
	err := says(p.link)
	if err != nil && !errors.Is(err, protocols.ErrOutboxFull) {
		p.fail(err)
	}
	return err == nil
}

// hear passes a message to the current line, or to a line of Each.
func (p *performer) hear(n int, msg any) {
	if n < len(p.lines) && isA(msg, p.lines[n].wants) {
		answer, err := p.lines[n].hears(msg)
		if err != nil {
			p.fail(fmt.Errorf("%T %+v: %w", msg, msg, err))
			return
		}
		p.play.answer = answer
		p.play.advance()
		return
	}
	for _, l := range p.play.standing {
		if isA(msg, l.wants) {
			p.play.answer, _ = l.hears(msg) // a line of Each returns no error
			return
		}
	}
	if n < len(p.lines) {
		p.fail(fmt.Errorf("want %v, got %T %+v", p.lines[n].wants, msg, msg))
	}
}

func isA(msg any, t reflect.Type) bool { return reflect.TypeOf(msg) == reflect.PointerTo(t) }

// fail ends the link because the current line failed, unless the script is already over.
func (p *performer) fail(err error) {
	err = fmt.Errorf("line %d of the script: %w", p.play.line()+1, err)
	if p.play.end(err) {
		p.link.DisconnectWithError(protocols.DiscSubprotocolError, err)
	}
}
