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
)

// LevelTrace is below slog.LevelDebug: what happens for each message.
const LevelTrace = slog.LevelDebug - 4

// Level translates go-ethereum's verbosity: 0 silent, 1 error, 2 warn, 3 info, 4 debug,
// 5 trace.
func Level(verbosity int) (slog.Level, error) {
	levels := [...]slog.Level{math.MaxInt, slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug, LevelTrace}
	if verbosity < 0 || verbosity >= len(levels) {
		return 0, fmt.Errorf("verbosity %d: want 0 to %d", verbosity, len(levels)-1)
	}
	return levels[verbosity], nil
}

// NewTextLog makes a log for people: one line a record, a stack on lines of its own. On a
// terminal it is coloured; elsewhere it is slog's own text, which costs half as much and
// which tools know.
func NewTextLog(w io.Writer, level slog.Level, colour bool) *slog.Logger {
	out := &lockedWriter{w: w}
	if !colour {
		return slog.New(&stackHandler{out: out, Handler: slog.NewTextHandler(out, &slog.HandlerOptions{
			Level: level, ReplaceAttr: nameTrace("TRACE"),
		})})
	}
	name := nameTrace("TRC")
	return slog.New(&stackHandler{out: out, Handler: tint.NewTextHandler(out, &tint.Options{
		Level:      level,
		TimeFormat: "2006-01-02 15:04:05.000",
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			return harmless(name(groups, a))
		},
	})})
}

// NewJSONLog makes a log for machines: one JSON object a line.
func NewJSONLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: nameTrace("TRACE")}))
}

// nameTrace names the level that slog has no name for.
func nameTrace(name string) func([]string, slog.Attr) slog.Attr {
	return func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.LevelKey && a.Value.Any() == LevelTrace {
			return slog.String(slog.LevelKey, name)
		}
		return a
	}
}

// harmless keeps a value from commanding the terminal: much of what is logged was chosen
// by a remote, and tint lets escape sequences through when it colours.
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

// commands says whether a terminal takes a character as something other than text. Line
// breaks and the like are quoted by the handler.
func commands(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }

// stackHandler takes the stack out of a record and writes it below, because nobody can
// read one with its line breaks escaped. Only failures have one.
type stackHandler struct {
	slog.Handler
	out *lockedWriter
}

const stackKey = "stack"

func (h *stackHandler) Handle(ctx context.Context, r slog.Record) error {
	var stack string
	if r.Level < slog.LevelWarn { // nothing has failed
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

// lockedWriter keeps writes whole: a record and a stack come from different handlers.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// runtimeHandler carries protoactor's own log. What that runtime finds worth an Info,
// such as a message to an actor that has just stopped, is of no interest to an operator.
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
