package asynclog

import (
	"fmt"
	"sync"
	"time"
)

// queueBytes limits what waits in one queue: some thousand lines.
const queueBytes = 1 << 20

// queue passes entries to write, in their order, by a goroutine that runs while there are entries.
// An entry that finds no room is dropped. An entry that comes while the queue is empty has room,
// whatever its size.
type queue[T any] struct {
	write  func(T) error
	report func(Loss) T // makes the entry that reports dropped entries

	mu      sync.Mutex
	waiting []entry[T]
	bytes   int           // of the entries that wait or are being written
	loss    Loss          // not reported yet
	failing bool          // the last write failed
	idle    chan struct{} // closes when nothing waits any more; nil: no goroutine runs
}

type entry[T any] struct {
	value   T
	bytes   int
	reports Loss // zero: an ordinary entry
}

// Loss says what a log has dropped.
type Loss struct {
	Lines uint64
	// Err is the error of the last write that failed. Nil: the lines found no room, because
	// writing took too long.
	Err error
}

// put adds an entry of this size, or drops it. It never waits for a write.
func (q *queue[T]) put(value T, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes > 0 && q.bytes+bytes > queueBytes {
		q.loss.Lines++
		return
	}
	if !q.failing {
		q.addReport() // the dropped lines came before this one
	}
	q.add(entry[T]{value: value, bytes: bytes})
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.run()
	}
}

func (q *queue[T]) add(e entry[T]) {
	q.waiting = append(q.waiting, e)
	q.bytes += e.bytes
}

// addReport adds the report of what was dropped, if anything was.
func (q *queue[T]) addReport() {
	if q.loss.Lines > 0 {
		q.add(entry[T]{value: q.report(q.loss), reports: q.loss})
		q.loss = Loss{}
	}
}

// run writes until nothing waits.
func (q *queue[T]) run() {
	for {
		e, ok := q.next()
		if !ok {
			return
		}
		q.wrote(e, q.try(e.value))
	}
}

// next takes the entry to write. ok is false if there is none, and run must end.
func (q *queue[T]) next() (e entry[T], ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 && !q.failing {
		q.addReport()
	}
	if len(q.waiting) == 0 {
		q.waiting = nil
		close(q.idle)
		q.idle = nil
		return e, false
	}
	e = q.waiting[0]
	q.waiting[0] = entry[T]{} // frees its memory
	q.waiting = q.waiting[1:]
	return e, true
}

// try writes one entry. The panic of a handler must not end the process.
func (q *queue[T]) try(value T) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return q.write(value)
}

func (q *queue[T]) wrote(e entry[T], err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= e.bytes
	q.failing = err != nil
	if err == nil {
		return
	}
	if e.reports.Lines > 0 {
		q.loss.Lines += e.reports.Lines
	} else {
		q.loss.Lines++
	}
	q.loss.Err = err
}

// flush waits until nothing waits, at most d. It returns whether that is so.
func (q *queue[T]) flush(d time.Duration) bool {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return true
	}
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-idle:
		return true
	case <-timeout.C:
		return false
	}
}
