//go:build unix

package main

import (
	"syscall"
	"testing"
)

func TestMemorySignalChangesNothing(t *testing.T) {
	p := start(t, "--verbosity", "4")
	if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	p.awaitLog("memory returned")
	if code, _ := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
