package supervise

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is an unbounded mailbox (credit bounds what is in it). While it is empty, as nearly all
// mailboxes of a node are, it takes a tenth of the memory of protoactor's own. It keeps
// protoactor's rules: system messages go first, and a suspended actor gets nothing else. It does
// not treat a message that implements actor.MessageBatch in a special way.
type mailbox struct {
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	turn       func() // process as a func value, allocated once

	mu        sync.Mutex
	system    *queue // nil while it is empty: an actor seldom gets system messages
	user      queue
	running   bool // a turn is running or scheduled
	suspended bool
}

// NewMailbox is an actor.MailboxProducer.
func NewMailbox() actor.Mailbox { return new(mailbox) }

// RegisterHandlers implements actor.Mailbox; it is called before any message.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher, m.turn = invoker, dispatcher, m.process
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.len()
}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(msg any) {
	m.mu.Lock()
	m.user.push(msg)
	wake := !m.running && !m.suspended
	m.running = m.running || wake
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.turn)
	}
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(msg any) {
	m.mu.Lock()
	if m.system == nil {
		m.system = new(queue)
	}
	m.system.push(msg)
	wake := !m.running
	m.running = true
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.turn)
	}
}

// process handles messages until none is left, in one goroutine at a time.
func (m *mailbox) process() {
	for !m.handle() {
		// The actor panicked. Its supervisor has been notified, and the next system message
		// suspends it.
	}
}

// handle returns true when nothing is left to do, and false after a panic of the actor.
func (m *mailbox) handle() (done bool) {
	var msg any
	defer func() {
		if reason := recover(); reason != nil {
			m.invoker.EscalateFailure(reason, msg)
		}
	}()
	left := m.dispatcher.Throughput()
	for {
		var system bool
		if msg, system = m.next(); msg == nil {
			return true
		}
		switch {
		case !system:
			m.invoker.InvokeUserMessage(msg)
		case !m.suspension(msg):
			m.invoker.InvokeSystemMessage(msg)
		}
		if left--; left == 0 {
			left = m.dispatcher.Throughput()
			Yield()
		}
	}
}

// next returns the next message to handle; nil means that there is none, and ends the turn.
func (m *mailbox) next() (msg any, system bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.system != nil {
		if msg = m.system.pop(); m.system.len() == 0 {
			m.system = nil
		}
		return msg, true
	}
	if !m.suspended && m.user.len() > 0 {
		return m.user.pop(), false
	}
	m.running = false
	return nil, false
}

// suspension handles the two messages for the mailbox itself.
func (m *mailbox) suspension(msg any) bool {
	var suspend bool
	switch msg.(type) {
	case *actor.SuspendMailbox:
		suspend = true
	case *actor.ResumeMailbox:
	default:
		return false
	}
	m.mu.Lock()
	m.suspended = suspend
	m.mu.Unlock()
	return true
}

// queue is first in, first out; it reuses its memory.
type queue struct {
	items []any
	head  int // index of the oldest
}

// maxIdleItems limits the memory that an idle actor keeps after a rare backlog.
const maxIdleItems = 16

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(msg any) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, msg)
}

func (q *queue) pop() any {
	msg := q.items[q.head]
	q.items[q.head] = nil
	if q.head++; q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
		if cap(q.items) > maxIdleItems {
			q.items = nil
		}
	}
	return msg
}
