//go:build !unix

package main

import "log/slog"

// onMemorySignal does nothing where there is no SIGUSR1.
func onMemorySignal(*slog.Logger) (stop func()) { return func() {} }
