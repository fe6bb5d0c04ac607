//go:build unix

package bans

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/datadir"
)

// TestParse: what is no ban is named, and the others are kept.
func TestParse(t *testing.T) {
	const good, endless = `{"target":"1.2.3.4","until":"2099-01-01T00:00:00Z"}`, `{"target":"9.9.9.9"}`
	for name, tt := range map[string]struct {
		text  string
		bans  string
		wrong []string // parts of the errors
	}{
		"good":               {`[` + good + `]`, "1.2.3.4", nil},
		"none":               {`[]`, "", nil},
		"without an end":     {`[` + endless + `,` + good + `]`, "9.9.9.9 1.2.3.4", nil},
		"a wrong target":     {`[{"target":"9.9.9.300"},` + good + `]`, "1.2.3.4", []string{`entry 1: "9.9.9.300": want`}},
		"no target":          {`[` + good + `,{"until":"2030-01-01T00:00:00Z"}]`, "1.2.3.4", []string{"entry 2: "}},
		"a wrong time":       {`[{"target":"9.9.9.9","until":"tomorrow"},` + good + `]`, "1.2.3.4", []string{"entry 1: parsing time"}},
		"ends before it is":  {`[{"target":"9.9.9.9","since":"2031-01-01T00:00:00Z","until":"2030-01-01T00:00:00Z"}]`, "", []string{"until is not after since"}},
		"two wrong":          {`[5,` + good + `,{"target":"x"}]`, "1.2.3.4", []string{"entry 1: ", "entry 3: "}},
		"a comma is missing": {`[` + good + endless + `]`, "1.2.3.4", []string{"entry 2 and all after it"}},
		"half a file":        {`[` + good, "1.2.3.4", []string{"the end of the array"}},
		"more text":          {`[` + good + `] ,`, "1.2.3.4", []string{"more text"}},
		"an object":          {good, "", []string{"want a JSON array"}},
		"empty":              {"", "", []string{"want a JSON array"}},
	} {
		list, wrong := parse([]byte(tt.text))
		var bans []string
		for _, b := range list {
			bans = append(bans, b.Target.String())
		}
		if got := strings.Join(bans, " "); got != tt.bans || len(wrong) != len(tt.wrong) {
			t.Errorf("%s: bans %s, want %s; errors %v, want %d", name, got, tt.bans, wrong, len(tt.wrong))
			continue
		}
		for i, err := range wrong {
			if !strings.Contains(err.Error(), tt.wrong[i]) {
				t.Errorf("%s: %v, want %s", name, err, tt.wrong[i])
			}
		}
	}
}

// restored returns a ledger that has read a file, and what it logged.
func restored(t *testing.T, file string) (*Ledger, string) {
	t.Helper()
	var log strings.Builder
	l := NewLedger(supervise.SystemClock)
	if err := l.Restore(file, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	return l, log.String()
}

// TestEditedFile: an operator's file with one wrong entry loses no ban and no text, however often
// that happens, and the node's own file is clean.
func TestEditedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), fileName)
	for n := 1; n <= 3; n++ {
		text := fmt.Sprintf(`[{"target":"1.2.3.%d"},{"target":"9.9.9.300"},{"target":"10.0.0.0/8","until":"2099-01-01T00:00:00Z"}]`, n)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second start comes before the file was written again
			l, log := restored(t, file)
			if !strings.Contains(log, "9.9.9.300") || !strings.Contains(log, unreadable(file, n)) || l.State().Bans != 2 {
				t.Errorf("%d bans; the log has\n%s", l.State().Bans, log)
			}
		}
		l, _ := restored(t, file)
		if !l.Save(false) {
			t.Error("not written")
		}
		if aside, err := os.ReadFile(unreadable(file, n)); string(aside) != text {
			t.Errorf("put aside: %s, %v", aside, err)
		}
		if again, log := restored(t, file); log != "" || again.State().Bans != 2 {
			t.Errorf("at the next start: %d bans, and the log has\n%s", again.State().Bans, log)
		}
	}
	if all, err := filepath.Glob(file + "*"); len(all) != 4 {
		t.Errorf("files %q, %v", all, err)
	}
}

// TestFileThatCantBePutAside is not overwritten.
func TestFileThatCantBePutAside(t *testing.T) {
	file := filepath.Join(t.TempDir(), strings.Repeat("x", 250)) // its other name is too long
	const text = `[{"target":"9.9.9.300"}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, log := restored(t, file)
	if !strings.Contains(log, "can't be put aside") {
		t.Errorf("the log has %s", log)
	}
	kept := bansOf(l, 1)[0]
	l.Save(false)
	if err := answer(t, kept); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Errorf("a ban is acknowledged: %v", err)
	}
	if now, err := os.ReadFile(file); string(now) != text {
		t.Errorf("the file has %s, %v", now, err)
	}
}

// TestBanWithoutAnEnd: it lasts, outlives restarts as it is, and comes last in the list.
func TestBanWithoutAnEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), fileName)
	if err := os.WriteFile(file, []byte(`[{"target":"9.9.9.9","automatic":true},{"target":"1.2.3.4","until":"2099-01-01T00:00:00Z"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l, _ := restored(t, file)
		list := l.List()
		if len(list) != 2 || list[1].Target.String() != "9.9.9.9" || !list[1].Until.IsZero() || list[1].Automatic ||
			time.Since(list[0].Since).Abs() > time.Hour || time.Since(list[1].Since).Abs() > time.Hour {
			t.Fatalf("bans %+v", list)
		}
		now := time.Now().AddDate(200, 0, 0)
		if _, ok := l.bans.banned(list[1].Target.ID, list[1].Target.Net.Addr(), now); !ok {
			t.Error("not banned in 200 years")
		}
		l.change()
		if !l.Save(false) {
			t.Error("not written")
		}
	}
	l, _ := restored(t, file)
	if lifted, _ := l.Lift(l.List()[1].Target); !lifted || l.State().Bans != 1 {
		t.Error("not lifted")
	}
}

func TestCompareEnds(t *testing.T) {
	at := func(s int64) *Ban {
		if s == 0 {
			return &Ban{}
		}
		return &Ban{Until: time.Unix(s, 0)}
	}
	order := []*Ban{at(0), at(2), at(0), at(1)}
	slices.SortStableFunc(order, compareEnds)
	if order[0].Until.Unix() != 1 || order[1].Until.Unix() != 2 || compareEnds(order[2], order[3]) != 0 {
		t.Errorf("%v", order)
	}
}

// TestNamedPipe: it is refused, and no read waits for its writer.
func TestNamedPipe(t *testing.T) {
	file := filepath.Join(t.TempDir(), fileName)
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewLedger(supervise.SystemClock).Restore(file, slog.New(slog.DiscardHandler)); !errors.Is(err, datadir.ErrNotRegular) {
		t.Errorf("%v, want %v", err, datadir.ErrNotRegular)
	}
}
