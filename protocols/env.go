package protocols

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// Clock and Timer are where a node's time comes from.
type (
	Clock = supervise.Clock
	Timer = supervise.Timer
)

// Env is what a protocol gets of the node that runs it, see [Spec].Provision. It is valid
// until the protocol has ended on the node. Its methods are safe for concurrent use.
type Env struct {
	// ID is the node's public key in hex, 128 digits, as in [Peer].
	ID string
	// Logger writes to the node's log. Its lines name the protocol.
	Logger *slog.Logger
	// Clock is the node's time.
	Clock Clock

	makeDir func() (string, error) // nil: there is no directory

	mu       sync.Mutex
	dir      string // empty until it was made
	cleanups []func()
}

// NewEnv makes an Env for those who build nodes, and for tests of a Provision. dir makes the
// protocol's directory and returns it; nil: there is none. The Logger drops everything and the
// Clock is the real one until the caller sets others.
func NewEnv(dir func() (string, error)) *Env {
	return &Env{Logger: slog.New(slog.DiscardHandler), Clock: supervise.SystemClock, makeDir: dir}
}

// Dir returns the directory that belongs to the protocol on this node, below the node's data
// directory. It is the same each time that the protocol runs. The first call makes it, so that
// only the node's user can enter it. Dir returns "" if the node has no data directory, or can't
// make one there: then the protocol keeps everything in memory. It is an error if an earlier run of the protocol, which
// was removed from the node, has not ended and uses the directory.
func (e *Env) Dir() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dir != "" || e.makeDir == nil {
		return e.dir, nil
	}
	dir, err := e.makeDir()
	if err != nil {
		return "", fmt.Errorf("protocol directory: %w", err)
	}
	e.dir = dir
	return dir, nil
}

// Cleanup registers a function that runs when the protocol has ended on the node: its links
// have ended, and its service has stopped. It runs as well if Provision returns an error, or
// if the node does not start. The functions run one after the other, the last one first. They
// share the Spec's StopTimeout with the service.
func (e *Env) Cleanup(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cleanups = append(e.cleanups, f)
}

// close runs the cleanups. A panic of one does not keep the others from running. A second call
// does nothing.
func (e *Env) close() {
	e.mu.Lock()
	cleanups := e.cleanups
	e.cleanups = nil
	e.mu.Unlock()
	for _, f := range cleanups {
		defer f() // the last one first
	}
}

// Provision calls the Spec's Provision, if there is one. On an error it has cleaned up. Without
// an error, the protocol's service cleans up when it has stopped. If the service is never
// started, the caller calls [Mounted.Cleanup].
// ctx is the one that the Spec's Provision gets.
func (m *Mounted) Provision(ctx context.Context, env *Env) (err error) {
	if m.Spec.Provision == nil {
		return nil
	}
	m.service.env = env
	defer func() {
		if value := recover(); value != nil {
			err = panicError(value)
		}
		if err != nil {
			err = fmt.Errorf("protocol %s: provision: %w", m.Spec.Name, err)
			m.Cleanup()
		}
	}()
	return m.Spec.Provision(ctx, env)
}

// panicError is the error of a Spec's function that panicked, with the stack. The function that
// called recover must call it.
func panicError(value any) error {
	crash := supervise.AsCrash(value, nil)
	return fmt.Errorf("%w\n%s", crash, crash.Stack)
}

// Cleanup runs what Provision has registered with [Env.Cleanup], unless that has run. It logs a
// panic.
func (m *Mounted) Cleanup() {
	if m.service == nil || m.service.env == nil {
		return
	}
	env := m.service.env
	defer func() {
		if value := recover(); value != nil {
			env.Logger.Error("cleaning up failed", "err", panicError(value))
		}
	}()
	env.close()
}

// Attributes calls the Spec's Attributes, if there is one. It returns a panic as an error.
func (m *Mounted) Attributes() (list []enr.Entry, err error) {
	if m.Spec.Attributes == nil {
		return nil, nil
	}
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("protocol %s: attributes: %w", m.Spec.Name, panicError(value))
		}
	}()
	return m.Spec.Attributes(), nil
}
