package main

import (
	"context"
	stdlog "log"
	"log/slog"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// showLibraryErrors sends go-ethereum's error records to log: a panic in a method of the admin
// API shows nowhere else. It drops warnings: they report calls that were answered with an error,
// which the caller has received. It also sends there, at level debug, what libraries write to the
// standard library's log, as goupnp does for answers that it can't read.
func showLibraryErrors(log *slog.Logger) {
	stdlog.SetFlags(0)
	stdlog.SetOutput(slog.NewLogLogger(log.With("lib", "log").Handler(), slog.LevelDebug).Writer())
	gethlog.SetDefault(gethlog.NewLogger(errorsOnly{log.With("lib", "go-ethereum").Handler()}))
}

// errorsOnly passes on records of level error and above.
type errorsOnly struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h errorsOnly) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelError && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h errorsOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return errorsOnly{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h errorsOnly) WithGroup(name string) slog.Handler { return errorsOnly{h.Handler.WithGroup(name)} }
