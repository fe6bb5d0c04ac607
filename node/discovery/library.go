package discovery

import (
	"context"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common/mclock"
	"github.com/ethereum/go-ethereum/log"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// libraryLog returns a logger for go-ethereum's library. All its records are demoted to debug
// level: its warnings are mostly about packets from strangers.
func libraryLog(l *slog.Logger) log.Logger { return log.NewLogger(demoted{l.Handler()}) }

// demoted is a handler that passes records on at debug level at most.
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

// libraryClock makes the library use our clock for checking its tables and for the timeouts of v5
// queries. The library uses only Now and AfterFunc for that, and the system clock for everything
// else.
type libraryClock struct {
	mclock.System
	clock supervise.Clock
	start time.Time
}

func newLibraryClock(c supervise.Clock) libraryClock { return libraryClock{clock: c, start: c.Now()} }

// Now implements mclock.Clock. It never returns zero, which the library takes for "never".
func (c libraryClock) Now() mclock.AbsTime {
	return mclock.AbsTime(time.Hour + c.clock.Now().Sub(c.start))
}

// AfterFunc implements mclock.Clock.
func (c libraryClock) AfterFunc(d time.Duration, f func()) mclock.Timer {
	return c.clock.AfterFunc(d, f)
}
