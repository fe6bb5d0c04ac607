package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node"
)

// A visit that a signal ends before its link says so.
func TestAwaitPeerInterrupted(t *testing.T) {
	events := make(chan node.Event)
	close(events)
	ctx, cancel := context.WithCancelCause(t.Context())
	by := &interrupted{signal: os.Interrupt}
	cancel(by)
	if err := awaitPeer(ctx, events); !errors.Is(err, by) {
		t.Errorf("%v, want %v", err, by)
	}
	if err := awaitPeer(t.Context(), events); !errors.Is(err, node.ErrStopped) {
		t.Errorf("%v, want %v", err, node.ErrStopped)
	}
}

// TestSignalRule: the first signal ends the process in order, a later SIGTERM or SIGINT at once. A
// SIGHUP, which often comes with another signal, never counts as impatience, and neither does a
// signal that comes twice.
func TestSignalRule(t *testing.T) {
	const hup, term, intr = syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT
	type at struct {
		after time.Duration // the signal before
		os.Signal
	}
	for name, tt := range map[string]struct {
		signals []at
		now     int // the index of the signal that ends the process at once; -1: none does
	}{
		"one":                        {[]at{{0, term}}, -1},
		"two":                        {[]at{{0, term}, {time.Second, term}}, 1},
		"Ctrl-C twice":               {[]at{{0, intr}, {150 * time.Millisecond, intr}}, 1},
		"timeout(1)":                 {[]at{{0, term}, {time.Millisecond, term}}, -1},
		"timeout(1), then a third":   {[]at{{0, term}, {time.Millisecond, term}, {time.Second, term}}, 2},
		"the terminal closes":        {[]at{{0, hup}, {time.Second, hup}, {time.Second, hup}}, -1},
		"the session ends":           {[]at{{0, hup}, {time.Second, term}}, -1},
		"SendSIGHUP of systemd":      {[]at{{0, term}, {time.Second, hup}}, -1},
		"impatience after a hang-up": {[]at{{0, hup}, {time.Second, term}, {time.Second, term}}, 2},
		"a hang-up between":          {[]at{{0, term}, {time.Second, hup}, {time.Second, intr}}, 2},
		"hang-ups are no impatience": {[]at{{0, intr}, {time.Second, hup}, {time.Second, hup}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			var rule signalRule
			got, clock := -1, time.Unix(1, 0)
			for i, s := range tt.signals {
				clock = clock.Add(s.after)
				end, now := rule.next(s.Signal, clock)
				if end != (i == 0) {
					t.Errorf("signal %d (%v): ends the process in order: %v", i, s.Signal, end)
				}
				if now && got < 0 {
					got = i
				}
			}
			if got != tt.now {
				t.Errorf("signal %d ends the process at once, want %d", got, tt.now)
			}
		})
	}
}
