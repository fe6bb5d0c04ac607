package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interrupted is the cause of a context that a signal has ended.
type interrupted struct {
	signal os.Signal
	at     time.Time
}

func (i *interrupted) Error() string { return fmt.Sprintf("interrupted by a signal: %v", i.signal) }

// signalRule says what the signals mean that ask the process to end. The zero value has seen none.
type signalRule struct {
	ending   bool
	insisted time.Time // when the first SIGTERM or SIGINT came; zero: none has
}

// sameRequest is the time within which a second signal repeats the first. timeout(1) and programs
// that pass on signals send each of theirs twice: to their child, and to its process group.
const sameRequest = 100 * time.Millisecond

// next takes one signal. end is true for the first, which ends the process in order. now is true
// for a second SIGTERM or SIGINT, which ends it at once. SIGHUP never ends it at once, and does
// not count as a first: when a terminal closes or a session ends, a SIGHUP comes from the kernel,
// another from the shell, and a SIGTERM from the service manager, before or after it.
func (r *signalRule) next(s os.Signal, at time.Time) (end, now bool) {
	end, r.ending = !r.ending, true
	switch {
	case s == syscall.SIGHUP:
		return end, false
	case r.insisted.IsZero():
		r.insisted = at
		return end, false
	}
	return end, at.Sub(r.insisted) >= sameRequest
}

// endSignals are the signals that end the process. A SIGHUP that is ignored when the process
// starts, as by nohup, stays ignored.
func endSignals() []os.Signal {
	list := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// endings is how signals end the process.
type endings struct {
	first context.Context  // ends at the first signal, with the cause *interrupted
	now   <-chan os.Signal // gets a signal that must end the process at once
}

// watchSignals watches for signals until stop is called. After that, a signal kills the process.
func watchSignals() (e endings, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals, second, done := make(chan os.Signal, 4), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, endSignals()...)
	go func() {
		var rule signalRule
		for {
			select {
			case s := <-signals:
				at := time.Now()
				end, now := rule.next(s, at)
				if end {
					cancel(&interrupted{s, at})
				}
				if now {
					second <- s
					return
				}
			case <-done:
				return
			}
		}
	}()
	return endings{ctx, second}, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
