package asynclog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink is a writer that a test stops, breaks and reads.
type sink struct {
	mu   sync.Mutex
	cond *sync.Cond
	stop bool
	err  error
	text bytes.Buffer
}

func newSink() *sink {
	s := new(sink)
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.stop {
		s.cond.Wait()
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.text.Write(b)
}

func (s *sink) set(stop bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop, s.err = stop, err
	s.cond.Broadcast()
}

func (s *sink) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(s.text.String(), "\n"), "\n")
}

// fronts make a log in front of a sink: by a handler, and by a writer.
var fronts = map[string]func(io.Writer) *slog.Logger{
	"handler": func(w io.Writer) *slog.Logger { return slog.New(Wrap(plainHandler(w))) },
	"writer": func(w io.Writer) *slog.Logger {
		a := NewWriter(w)
		a.ReportBy(func(to io.Writer, l Loss) {
			slog.New(plainHandler(to)).LogAttrs(context.Background(), slog.LevelWarn, LossMessage, l.Attrs()...)
		})
		return slog.New(plainHandler(a))
	},
}

func plainHandler(w io.Writer) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}})
}

// TestStalled: while the sink takes nothing, no caller waits, what waits is bounded, and the rest
// is dropped. When the sink takes again, the lines come in their order, and the number of the
// dropped ones in their place.
func TestStalled(t *testing.T) {
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSink()
				s.set(true, nil)
				log, long := front(s), strings.Repeat("x", 10_000)
				for i := range 1000 { // 10 MB
					log.Info("line", "n", i, "text", long)
				}
				s.set(false, nil)
				synctest.Wait()
				log.Info("later")
				synctest.Wait()
				lines := s.lines()
				kept := 0
				for kept < len(lines) && strings.HasPrefix(lines[kept], fmt.Sprintf("msg=line n=%d ", kept)) {
					kept++
				}
				if kept < 50 || kept > 110 {
					t.Fatalf("%d lines were kept, want about 1 MiB of 10,000 bytes each", kept)
				}
				want := []string{fmt.Sprintf(`msg="log lines dropped" lines=%d`, 1000-kept), "msg=later"}
				if got := lines[kept:]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("then came %q, want %q", got, want)
				}
			})
		})
	}
}

// TestReportBeforeTheNextLine: lines that come once there is room again come after the report.
func TestReportBeforeTheNextLine(t *testing.T) {
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSink()
				s.set(true, nil)
				log, huge := front(s), strings.Repeat("x", queueBytes)
				log.Info("huge", "text", huge)
				log.Info("lost")
				s.set(false, nil)
				synctest.Wait()
				s.set(true, nil)
				log.Info("kept")
				log.Info("huge", "text", huge) // finds no room
				s.set(false, nil)
				synctest.Wait()
				lines := s.lines()[1:]
				want := `[msg="log lines dropped" lines=1 msg=kept msg="log lines dropped" lines=1]`
				if fmt.Sprint(lines) != want {
					t.Errorf("after the first came %q, want %s", lines, want)
				}
			})
		})
	}
}

// TestFailingWrites: they are counted, nothing spins, and the report names the error once a write
// succeeds.
func TestFailingWrites(t *testing.T) {
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSink()
				s.set(false, errors.New("broken pipe"))
				log := front(s)
				for range 5 {
					log.Info("lost")
					synctest.Wait()
				}
				s.set(false, nil)
				log.Info("kept")
				synctest.Wait()
				if got, want := fmt.Sprint(s.lines()), `[msg=kept msg="log lines dropped" lines=5 err="broken pipe"]`; got != want {
					t.Errorf("the log has %s, want %s", got, want)
				}
			})
		})
	}
}

type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("no disk") }

// TestHandlerPanics: it neither ends the process nor reaches the caller.
func TestHandlerPanics(t *testing.T) {
	h := Wrap(panicking{slog.DiscardHandler})
	slog.New(h).Log(t.Context(), slog.LevelInfo, "x") // DiscardHandler is not enabled
	if err := h.Handle(t.Context(), slog.Record{}); err != nil {
		t.Error(err)
	}
	if !Flush(h, time.Minute) {
		t.Error("the handler still runs")
	}
}

// TestFlush: it waits for what the sink takes, and no longer than it may.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSink()
		a := NewWriter(s)
		h := Wrap(plainHandler(s))
		fmt.Fprintln(a, "one")
		slog.New(h).Info("two")
		if !a.Flush(time.Second) || !Flush(h, time.Second) || len(s.lines()) != 2 {
			t.Errorf("after the flush the sink has %q", s.lines())
		}
		s.set(true, nil)
		fmt.Fprintln(a, "three")
		slog.New(h).Info("four")
		begin := time.Now()
		if a.Flush(time.Second) || Flush(h, time.Second) || time.Since(begin) != 2*time.Second {
			t.Errorf("flushes of a stalled sink took %v", time.Since(begin))
		}
		s.set(false, nil)
	})
}

type mutable struct{ N *int }

func (m mutable) String() string { return fmt.Sprint(*m.N) }

// TestValuesAreThoseOfTheCall: what a caller logs and then changes is logged as it was, and as
// the handler alone would have written it.
func TestValuesAreThoseOfTheCall(t *testing.T) {
	for _, format := range []func(io.Writer) slog.Handler{
		func(w io.Writer) slog.Handler { return plainHandler(w) },
		func(w io.Writer) slog.Handler {
			return slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: func(g []string, a slog.Attr) slog.Attr {
				if len(g) == 0 && a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, direct := newSink(), new(bytes.Buffer)
			s.set(true, nil)
			n, b, list, m := 1, []byte("bytes"), []string{"a"}, map[string]int{"k": 1}
			args := []any{
				"mutable", mutable{&n}, "bytes", b, "list", list, "map", m, "err", errors.New("e"),
				"addr", netip.MustParseAddr("192.0.2.1"), "nil", nil, "level", slog.LevelWarn,
				slog.Group("g", "list", list), "plain", struct{ A, B int }{1, 2},
				"nil error", (*net)(nil),
			}
			slog.New(format(direct)).With("list", list).WithGroup("group").Info("x", args...)
			slog.New(Wrap(format(s))).With("list", list).WithGroup("group").Info("x", args...)
			n, b[0], list[0], m["k"] = 2, 'B', "b", 2
			s.set(false, nil)
			synctest.Wait()
			if got := s.lines()[0] + "\n"; got != direct.String() {
				t.Errorf("logged\n%s\nwant\n%s", got, direct)
			}
		})
	}
}

// net is an error whose nil pointer panics.
type net struct{ text string }

func (n *net) Error() string { return n.text }

// TestWrapOnce: a handler that never blocks gets no second queue.
func TestWrapOnce(t *testing.T) {
	h := Wrap(plainHandler(io.Discard))
	if Wrap(h) != h || Wrap(h.WithGroup("g")).(*Handler).queue != h.(*Handler).queue || Wrap(slog.DiscardHandler) != slog.DiscardHandler {
		t.Error("a second queue")
	}
}
