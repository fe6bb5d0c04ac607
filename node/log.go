package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/lmittmann/tint"

	"github.com/troupe-p2p/troupe/node/asynclog"
)

// LevelTrace is below slog.LevelDebug. It is for log lines about single messages.
const LevelTrace = slog.LevelDebug - 4

// Level returns the level for go-ethereum's verbosity: 0 silent, 1 error, 2 warn, 3 info,
// 4 debug, 5 trace.
func Level(verbosity int) (slog.Level, error) {
	levels := [...]slog.Level{math.MaxInt, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, LevelTrace}
	if verbosity < 0 || verbosity >= len(levels) {
		return 0, fmt.Errorf("verbosity %d: want 0 to %d", verbosity, len(levels)-1)
	}
	return levels[verbosity], nil
}

// NewTextLog makes a log for people: one line a record, and a stack on lines of its own. With
// colour it is for a terminal. Without colour it is slog's own text format, which tools know
// and which costs half as much.
func NewTextLog(w io.Writer, level slog.Level, colour bool) *slog.Logger {
	out := &lockedWriter{w: w}
	if !colour {
		return logTo(w, &stackHandler{out: out, Handler: slog.NewTextHandler(out, &slog.HandlerOptions{
			Level: level, ReplaceAttr: nameTrace("TRACE"),
		})})
	}
	name := nameTrace("TRC")
	return logTo(w, &stackHandler{out: out, Handler: tint.NewTextHandler(out, &tint.Options{
		Level:      level,
		TimeFormat: "2006-01-02 15:04:05.000",
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			return harmless(name(groups, a))
		},
	})})
}

// NewJSONLog makes a log for programs: one JSON object a line.
func NewJSONLog(w io.Writer, level slog.Level) *slog.Logger {
	return logTo(w, slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: nameTrace("TRACE")}))
}

// logTo makes a log whose handler h writes to w.
func logTo(w io.Writer, h slog.Handler) *slog.Logger {
	n, ok := w.(asynclog.NonBlocking)
	return slog.New(writerHandler{h, ok && n.NonBlocking()})
}

// writerHandler knows whether its writer blocks, so that the node puts no second queue in front.
type writerHandler struct {
	slog.Handler
	nonBlocking bool
}

// NonBlocking implements asynclog.NonBlocking.
func (h writerHandler) NonBlocking() bool { return h.nonBlocking }

func (h writerHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return writerHandler{h.Handler.WithAttrs(attrs), h.nonBlocking}
}

func (h writerHandler) WithGroup(name string) slog.Handler {
	return writerHandler{h.Handler.WithGroup(name), h.nonBlocking}
}

// nameTrace names LevelTrace, for which slog has no name.
func nameTrace(name string) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.LevelKey && a.Value.Any() == LevelTrace {
			return slog.String(slog.LevelKey, name)
		}
		return a
	}
}

// harmless replaces control characters: remotes choose many of the logged values, and with
// colour tint passes escape sequences to the terminal.
func harmless(a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	default:
		return a
	}
	if !strings.ContainsFunc(text, commands) {
		return a
	}
	return slog.String(a.Key, strings.Map(func(r rune) rune {
		if commands(r) {
			return utf8.RuneError
		}
		return r
	}, text))
}

// commands reports whether a terminal does not treat a character as text. The handler quotes
// line breaks and tabs.
func commands(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }

// stackHandler writes the stack of a record below the record's line, because a stack with
// escaped line breaks is unreadable. Only records of failures have a stack.
type stackHandler struct {
	slog.Handler
	out *lockedWriter
}

const stackKey = "stack"

func (h *stackHandler) Handle(ctx context.Context, r slog.Record) error {
	var stack string
	if r.Level < slog.LevelWarn { // no failure
		return h.Handler.Handle(ctx, r)
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == stackKey {
			stack = a.Value.String()
		}
		return stack == ""
	})
	if stack == "" {
		return h.Handler.Handle(ctx, r)
	}
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key != stackKey {
			short.AddAttrs(a)
		}
		return true
	})
	if err := h.Handler.Handle(ctx, short); err != nil {
		return err
	}
	var b bytes.Buffer
	for line := range strings.Lines(strings.TrimRight(stack, "\n")) {
		b.WriteString("    ")
		b.WriteString(line)
	}
	b.WriteByte('\n')
	_, err := h.out.Write(b.Bytes())
	return err
}

func (h *stackHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &stackHandler{Handler: h.Handler.WithAttrs(attrs), out: h.out}
}

func (h *stackHandler) WithGroup(name string) slog.Handler {
	return &stackHandler{Handler: h.Handler.WithGroup(name), out: h.out}
}

// lockedWriter keeps writes whole: different handlers write a record and its stack.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// runtimeHandler handles protoactor's log. It lowers Info to Debug: protoactor's Info lines,
// such as those about a message to an actor that has just stopped, don't concern an operator.
type runtimeHandler struct{ slog.Handler }

func (h runtimeHandler) lower(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}

func (h runtimeHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, h.lower(l))
}

func (h runtimeHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = h.lower(r.Level)
	return h.Handler.Handle(ctx, r)
}

func (h runtimeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return runtimeHandler{h.Handler.WithAttrs(attrs)}
}

func (h runtimeHandler) WithGroup(name string) slog.Handler {
	return runtimeHandler{h.Handler.WithGroup(name)}
}
