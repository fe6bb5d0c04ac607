package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestLevel(t *testing.T) {
	shown := map[int]string{0: "", 1: "E", 2: "EW", 3: "EWI", 4: "EWID", 5: "EWIDT"}
	for verbosity, want := range shown {
		level, err := Level(verbosity)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log := NewJSONLog(&out, level)
		for _, l := range []struct {
			name  string
			level slog.Level
		}{{"E", slog.LevelError}, {"W", slog.LevelWarn}, {"I", slog.LevelInfo}, {"D", slog.LevelDebug}, {"T", LevelTrace}} {
			log.Log(context.Background(), l.level, l.name)
		}
		got := ""
		for line := range strings.Lines(out.String()) {
			var r struct{ Msg string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got += r.Msg
		}
		if got != want {
			t.Errorf("verbosity %d shows %q, want %q", verbosity, got, want)
		}
	}
	for _, bad := range []int{-1, 6} {
		if _, err := Level(bad); err == nil {
			t.Errorf("verbosity %d accepted", bad)
		}
	}
}

func TestTextLogShowsStacks(t *testing.T) {
	var out bytes.Buffer
	log := NewTextLog(&out, slog.LevelInfo, false).With("lib", "x")
	log.Error("actor failed", "actor", "a/b", "stack", "goroutine 1:\nmain.main()\n\tmain.go:3\n", "restarts", 2)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want one for the record and three for the stack:\n%s", len(lines), out.String())
	}
	for _, want := range []string{"level=ERROR", "actor failed", "lib=x", "actor=a/b", "restarts=2"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%q lacks %q", lines[0], want)
		}
	}
	if lines[2] != "    main.main()" {
		t.Errorf("stack line %q", lines[2])
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Error("colour in a log without colour")
	}
	out.Reset()
	NewTextLog(&out, slog.LevelInfo, true).Error("red")
	if !strings.ContainsRune(out.String(), '\x1b') {
		t.Error("no colour in a log with colour")
	}
}

// TestTextLogEscapes: a remote chooses its name, which must not control the operator's terminal.
func TestTextLogEscapes(t *testing.T) {
	const hostile = "\x1b[2Jroot\nERR forged\u009b1m"
	for _, colour := range []bool{false, true} {
		for _, value := range []any{hostile, errors.New(hostile)} {
			var out bytes.Buffer
			NewTextLog(&out, slog.LevelInfo, colour).Info("peer", "name", value)
			if got := out.String(); strings.Contains(got, "\x1b[2J") || strings.Contains(got, "\u009b") || strings.Count(got, "\n") != 1 {
				t.Errorf("colour %v, %T: %q", colour, value, got)
			}
		}
	}
}

func TestRuntimeLogIsQuiet(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(runtimeHandler{NewTextLog(&out, slog.LevelInfo, false).Handler()}).With("lib", "protoactor")
	log.Info("[DeadLetter]")
	if out.Len() != 0 {
		t.Errorf("the runtime's Info is shown at level info: %s", out.String())
	}
	log.Error("mailbox lost")
	if !strings.Contains(out.String(), "mailbox lost") {
		t.Error("the runtime's Error is not shown")
	}
}
