//go:build unix

package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/troupe-p2p/troupe/node/memory"
)

// onMemorySignal collects garbage and returns unused memory to the operating system at each
// SIGUSR1, until the caller calls stop.
func onMemorySignal(log *slog.Logger) (stop func()) {
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for {
			select {
			case <-signals:
				memory.Release()
				log.Debug("memory returned to the system")
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}
