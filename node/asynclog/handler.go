package asynclog

import (
	"context"
	"log/slog"
	"time"
)

// NonBlocking is implemented by handlers and writers that may never wait.
type NonBlocking interface {
	// NonBlocking reports whether no call waits for a device or another process.
	NonBlocking() bool
}

// never reports whether h never blocks its callers.
func never(h slog.Handler) bool {
	if h == slog.DiscardHandler {
		return true
	}
	n, ok := h.(NonBlocking)
	return ok && n.NonBlocking()
}

// Wrap returns a handler that passes its records to h without waiting for it. It returns h itself
// if that never blocks, see [NonBlocking]. A value that its owner may change later is formatted at
// once, so that log calls need no more care than with h.
func Wrap(h slog.Handler) slog.Handler {
	if never(h) {
		return h
	}
	q := &queue[record]{
		write: func(r record) error { return r.to.Handle(r.ctx, r.Record) },
		report: func(loss Loss) record {
			r := slog.NewRecord(time.Now(), slog.LevelWarn, LossMessage, 0)
			r.AddAttrs(loss.Attrs()...)
			return record{Record: r, ctx: context.Background(), to: h}
		},
	}
	return &Handler{inner: h, queue: q}
}

// Flush waits until h, if Wrap made it, has written everything, at most d. It returns whether
// that is so.
func Flush(h slog.Handler, d time.Duration) bool {
	if h, ok := h.(*Handler); ok {
		return h.queue.flush(d)
	}
	return true
}

// LossMessage is the message of the record that reports dropped lines, which is a warning.
const LossMessage = "log lines dropped"

// Attrs returns the attributes of the record that reports a loss.
func (l Loss) Attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Uint64("lines", l.Lines)}
	if l.Err != nil {
		attrs = append(attrs, slog.Any("err", l.Err))
	}
	return attrs
}

// Handler is the slog.Handler that [Wrap] returns.
type Handler struct {
	inner slog.Handler
	queue *queue[record] // all handlers that come from one Wrap share it
}

// record is one record on its way to a handler.
type record struct {
	slog.Record
	ctx context.Context
	to  slog.Handler
}

// recordBytes is about the size of a record without its texts.
const recordBytes = 256

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

// Handle implements slog.Handler. It never waits or fails.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	size := recordBytes + len(r.Message)
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		frozen, bytes := freeze(a)
		attrs = append(attrs, frozen)
		size += bytes
		return true
	})
	kept := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	kept.AddAttrs(attrs...)
	h.queue.put(record{Record: kept, ctx: context.WithoutCancel(ctx), to: h.inner}, size)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{inner: h.inner.WithAttrs(attrs), queue: h.queue}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{inner: h.inner.WithGroup(name), queue: h.queue}
}

// NonBlocking implements [NonBlocking].
func (h *Handler) NonBlocking() bool { return true }
