package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// outputGrace is how long a write to standard output may take once a signal has come.
const outputGrace = 500 * time.Millisecond

// errNotTaken is the error of a write that a signal has ended.
var errNotTaken = errors.New("the reader takes nothing")

// output is standard output. A write waits for the reader until a signal comes, and not much
// longer: a stopped terminal or a full pipe must not keep the process from ending. After an error,
// every write fails with the same error.
type output struct {
	ctx context.Context // ends at a signal
	w   io.Writer

	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	text := bytes.Clone(b) // the write may outlive this call
	done := make(chan error, 1)
	go func() {
		_, err := o.w.Write(text)
		done <- err
	}()
	select {
	case o.err = <-done:
	case <-o.ctx.Done():
		grace := time.NewTimer(outputGrace)
		defer grace.Stop()
		select {
		case o.err = <-done:
		case <-grace.C:
			o.err = errNotTaken
		}
	}
	if o.err != nil {
		return 0, o.err
	}
	return len(b), nil
}

// failure returns why the output is incomplete. It returns nil if it is complete, if its reader
// has gone, as head does, which then has what it wants, and if a signal ended a write.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil || readerGone(o.err) || errors.Is(o.err, errNotTaken) {
		return nil
	}
	return fmt.Errorf("writing the output: %w", o.err)
}

// readerGone reports whether err says that nothing reads an output any more.
func readerGone(err error) bool { return errors.Is(err, syscall.EPIPE) }

// unlessInterrupted returns err, or nil if a signal has ended ctx: then it is why err came.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
