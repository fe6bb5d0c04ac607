package supervise_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// invoker replaces the actor behind a mailbox.
type invoker struct {
	mu      sync.Mutex
	log     []string
	failed  []any
	panicAt string
	inside  func(msg any)
}

func (i *invoker) InvokeSystemMessage(msg any) { i.note("system %v", msg) }
func (i *invoker) InvokeUserMessage(msg any) {
	i.note("user %v", msg)
	if msg == i.panicAt {
		panic("in the actor")
	}
	if i.inside != nil {
		i.inside(msg)
	}
}
func (i *invoker) EscalateFailure(reason, msg any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failed = append(i.failed, reason, msg)
}

func (i *invoker) note(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.log = append(i.log, fmt.Sprintf(format, args...))
}

// later is a dispatcher that runs turns when the test calls run.
type later struct{ turns []func() }

func (l *later) Schedule(f func()) { l.turns = append(l.turns, f) }
func (l *later) Throughput() int   { return 3 }
func (l *later) run() {
	for len(l.turns) > 0 {
		f := l.turns[0]
		l.turns = l.turns[1:]
		f()
	}
}

func newTestMailbox() (actor.Mailbox, *invoker, *later) {
	m, i, d := supervise.NewMailbox(), new(invoker), new(later)
	m.RegisterHandlers(i, d)
	m.Start()
	return m, i, d
}

func TestMailboxRules(t *testing.T) {
	suspend, resume := &actor.SuspendMailbox{}, &actor.ResumeMailbox{}
	for _, tt := range []struct {
		name string
		do   func(m actor.Mailbox, i *invoker, d *later)
		want []string
	}{
		{"first in, first out", func(m actor.Mailbox, _ *invoker, d *later) {
			m.PostUserMessage(1)
			m.PostUserMessage(2)
			m.PostUserMessage(3)
		}, []string{"user 1", "user 2", "user 3"}},
		{"system messages go first", func(m actor.Mailbox, _ *invoker, d *later) {
			m.PostUserMessage(1)
			m.PostSystemMessage("stop")
			m.PostSystemMessage("watch")
		}, []string{"system stop", "system watch", "user 1"}},
		{"also those that arrive during a turn", func(m actor.Mailbox, i *invoker, d *later) {
			i.inside = func(msg any) {
				if msg == 1 {
					m.PostSystemMessage("stop")
				}
			}
			m.PostUserMessage(1)
			m.PostUserMessage(2)
		}, []string{"user 1", "system stop", "user 2"}},
		{"suspended", func(m actor.Mailbox, _ *invoker, d *later) {
			m.PostUserMessage(1)
			m.PostSystemMessage(suspend)
			m.PostSystemMessage("restart")
			d.run()
			m.PostUserMessage(2)
		}, []string{"system restart"}},
		{"resumed", func(m actor.Mailbox, _ *invoker, d *later) {
			m.PostSystemMessage(suspend)
			d.run()
			m.PostUserMessage(1)
			m.PostUserMessage(2)
			d.run()
			m.PostSystemMessage(resume)
		}, []string{"user 1", "user 2"}},
		{"messages of an actor to itself", func(m actor.Mailbox, i *invoker, d *later) {
			i.inside = func(msg any) {
				if n := msg.(int); n < 20 {
					m.PostUserMessage(n + 1)
				}
			}
			m.PostUserMessage(18)
		}, []string{"user 18", "user 19", "user 20"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, i, d := newTestMailbox()
			tt.do(m, i, d)
			d.run()
			if !slices.Equal(i.log, tt.want) {
				t.Errorf("handled %v, want %v", i.log, tt.want)
			}
		})
	}
}

// TestMailboxAfterAPanic: a panic is reported with its message, and does not end the mailbox.
func TestMailboxAfterAPanic(t *testing.T) {
	m, i, d := newTestMailbox()
	i.panicAt = "bad"
	for _, msg := range []string{"good", "bad", "better"} {
		m.PostUserMessage(msg)
	}
	d.run()
	if !slices.Equal(i.log, []string{"user good", "user bad", "user better"}) {
		t.Errorf("handled %v", i.log)
	}
	if !slices.Equal(i.failed, []any{"in the actor", "bad"}) {
		t.Errorf("reported %v", i.failed)
	}
}

// TestMailboxUnderContention: with many concurrent senders nothing is lost, each sender's order
// is kept, and one turn runs at a time.
func TestMailboxUnderContention(t *testing.T) {
	const senders, count = 4, 5000
	m, running := supervise.NewMailbox(), make(chan struct{}, 1)
	var next [senders]int
	done := make(chan struct{})
	total := 0
	i := &counting{user: func(msg any) {
		select {
		case running <- struct{}{}:
		default:
			t.Error("two turns run at once")
		}
		m := msg.([2]int)
		if m[1] != next[m[0]] {
			t.Errorf("sender %d: got %d, want %d", m[0], m[1], next[m[0]])
		}
		next[m[0]]++
		if total++; total == senders*count {
			close(done)
		}
		<-running
	}}
	d := supervise.NewDispatcher()
	defer d.Close()
	m.RegisterHandlers(i, d)
	for s := range senders {
		go func() {
			for n := range count {
				m.PostUserMessage([2]int{s, n})
			}
		}()
	}
	<-done
	actortest.Eventually(t, "the mailbox is empty", func() bool { return m.UserMessageCount() == 0 })
}

type counting struct{ user func(msg any) }

func (c *counting) InvokeSystemMessage(any)   {}
func (c *counting) InvokeUserMessage(msg any) { c.user(msg) }
func (c *counting) EscalateFailure(_, _ any)  {}
