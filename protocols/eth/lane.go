package eth

import "sync"

// maxWaiting is how many requests of a link wait for their answers before the remote is held back.
// Others fetch with few requests at a time: go-ethereum with one of a kind.
const maxWaiting = 8

// lane has the requests of one link. They are answered one after the other, outside the link's
// actor. It outlives the actor: what a crash loses is the message at hand alone.
type lane struct {
	mu      sync.Mutex
	waiting []any
	working bool // a goroutine is at work on the request that was taken last
	answer  any  // finished, and not sent
}

func (l *lane) add(request any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, request)
}

// idle reports whether no request waits or is worked on, and no answer waits.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.working && l.answer == nil && len(l.waiting) == 0
}

// take returns the next request; ok is false if there is none, or one is being worked on, or its
// answer is not sent.
func (l *lane) take() (request any, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.working || l.answer != nil || len(l.waiting) == 0 {
		return nil, false
	}
	request = l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	l.working = true
	return request, true
}

// finish ends the work on a request. Without an answer the request is lost.
func (l *lane) finish(answer any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working, l.answer = false, answer
}

// ready returns the answer that is to be sent, or nil.
func (l *lane) ready() any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answer
}

// sent removes the answer that ready returned.
func (l *lane) sent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = nil
}

// full reports whether the remote has to be held back.
func (l *lane) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) >= maxWaiting
}
