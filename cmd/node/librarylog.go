package main

import (
	"context"
	"log/slog"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// showLibraryErrors brings go-ethereum's log into ours, errors alone: a method of the admin
// API that panics shows nowhere else. What it warns of are calls that were answered with an
// error, which the caller knows.
func showLibraryErrors(log *slog.Logger) {
	gethlog.SetDefault(gethlog.NewLogger(errorsOnly{log.With("lib", "go-ethereum").Handler()}))
}

// errorsOnly passes on what is an error or worse.
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
