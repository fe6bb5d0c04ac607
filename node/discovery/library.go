package discovery

import (
	"context"
	"log/slog"
	"time"

	"github.com/ethereum/go-ethereum/common/mclock"
	"github.com/ethereum/go-ethereum/log"

	"github.com/troupe-p2p/troupe/actors/supervise"
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

// libraryClock has the library check its tables, and give up queries of v5, by our clock.
// For that it uses Now and AfterFunc alone. What else it does by time goes by the
// system's clock.
type libraryClock struct {
	mclock.System
	clock supervise.Clock
	start time.Time
}

func newLibraryClock(c supervise.Clock) libraryClock { return libraryClock{clock: c, start: c.Now()} }

// Now implements mclock.Clock. Zero would mean to the library that something never was.
func (c libraryClock) Now() mclock.AbsTime {
	return mclock.AbsTime(time.Hour + c.clock.Now().Sub(c.start))
}

// AfterFunc implements mclock.Clock.
func (c libraryClock) AfterFunc(d time.Duration, f func()) mclock.Timer {
	return c.clock.AfterFunc(d, f)
}
