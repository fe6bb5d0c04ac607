//go:build !unix

package main

import "log/slog"

// onMemorySignal does nothing on systems without SIGUSR1.
func onMemorySignal(*slog.Logger) (stop func()) { return func() {} }
