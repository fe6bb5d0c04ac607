package discovery

import (
	"context"
	"log/slog"

	"github.com/ethereum/go-ethereum/log"
)

// libraryLog gives go-ethereum's library a log of its own kind. Everything in it is detail
// to us: what it warns of is mostly what strangers send.
func libraryLog(l *slog.Logger) log.Logger { return log.NewLogger(demoted{l.Handler()}) }

// demoted passes records on at debug level at most.
type demoted struct{ inner slog.Handler }

func (d demoted) Enabled(ctx context.Context, level slog.Level) bool {
	return d.inner.Enabled(ctx, min(level, slog.LevelDebug))
}

func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = min(r.Level, slog.LevelDebug)
	return d.inner.Handle(ctx, r)
}

func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler { return demoted{d.inner.WithAttrs(attrs)} }

func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.inner.WithGroup(name)} }
