package actors

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-p2p/troupe/wire"
)

// MessageEvent is one message that a link sent or received.
type MessageEvent struct {
	Time     time.Time
	Link     *Link
	Protocol wire.Cap
	Code     uint64 // counted from the protocol's own zero
	Size     int    // bytes of payload before compression
	Sent     bool   // false: received
}

// Feed delivers message events to subscribers. Without subscribers it costs a link one atomic
// load a batch. It never blocks a link: events that a subscriber does not take in time are
// dropped and counted. A nil *Feed has no subscribers.
type Feed struct {
	subscribers atomic.Pointer[[]chan MessageEvent]
	mu          sync.Mutex // serialises changes of the list and closing
	dropped     atomic.Uint64
}

// NewFeed returns a feed without subscribers.
func NewFeed() *Feed { return new(Feed) }

// Subscribe returns a channel of events that closes when ctx ends. buffer is the channel's
// capacity in events.
func (f *Feed) Subscribe(ctx context.Context, buffer int) <-chan MessageEvent {
	ch := make(chan MessageEvent, buffer)
	f.change(func(list []chan MessageEvent) []chan MessageEvent { return append(list, ch) })
	context.AfterFunc(ctx, func() {
		f.change(func(list []chan MessageEvent) []chan MessageEvent {
			for i, c := range list {
				if c == ch {
					return append(list[:i], list[i+1:]...)
				}
			}
			return list
		})
		f.mu.Lock() // no event is sent to ch any more
		defer f.mu.Unlock()
		close(ch)
	})
	return ch
}

func (f *Feed) change(edit func([]chan MessageEvent) []chan MessageEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []chan MessageEvent
	if old := f.subscribers.Load(); old != nil {
		list = append(list, *old...)
	}
	if list = edit(list); len(list) == 0 {
		f.subscribers.Store(nil)
	} else {
		f.subscribers.Store(&list)
	}
}

// Dropped returns how many events were dropped because a subscriber was too slow.
func (f *Feed) Dropped() uint64 { return f.dropped.Load() }

// active reports whether there is a subscriber.
func (f *Feed) active() bool { return f != nil && f.subscribers.Load() != nil }

func (f *Feed) publish(e MessageEvent) {
	// The lock prevents closing a channel during a send; it is taken only while there are
	// subscribers.
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.subscribers.Load()
	if list == nil {
		return
	}
	for _, ch := range *list {
		select {
		case ch <- e:
		default:
			f.dropped.Add(1)
		}
	}
}
