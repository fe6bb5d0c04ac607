package backfill_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// TestResume ends a download after each few steps and opens it anew: nothing is asked for twice, and the
// files are the same.
func TestResume(t *testing.T) {
	b := grow(nil, 0, history.EpochSize+300, history.EpochSize-900, "")
	dir := t.TempDir()
	p := &peer{blocks: b}
	for done := false; !done; {
		s := open(t, configOf(dir, b))
		for i := 0; i < 9; i++ {
			if _, err := step(s, p); err != nil {
				t.Fatal(err)
			}
		}
		done = s.Status().Done
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkDir(t, dir, b, 0)
	if want := len(b.parts) - 1; p.served[chain.Header] != want {
		t.Errorf("%d headers asked for, want %d", p.served[chain.Header], want)
	}
	if bodies, receipts := count(b); p.served[chain.Body] != bodies || p.served[chain.Receipts] != receipts {
		t.Errorf("asked for %v, want %d bodies and %d receipts", p.served, bodies, receipts)
	}
}

// count returns how many blocks have a body and receipts that are not empty.
func count(b *blocks) (bodies, receipts int) {
	for _, parts := range b.parts {
		if len(parts[chain.Body]) > 4 {
			bodies++
		}
		if len(parts[chain.Receipts]) > 1 {
			receipts++
		}
	}
	return bodies, receipts
}

// half runs a download of the test chain until it has all headers, and some of the rest.
func half(t *testing.T, dir string, b *blocks) {
	t.Helper()
	s, p := open(t, configOf(dir, b)), &peer{blocks: b}
	for i := 0; i < 16; i++ {
		if _, err := step(s, p); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Status(); !st.Headers || st.Missing == 0 {
		t.Fatalf("%+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCorruptJournal: a journal that a crash or the disk has changed is named and cut, and what it lacks
// is downloaded again.
func TestCorruptJournal(t *testing.T) {
	b := dense()
	for _, tt := range []struct {
		name   string
		change func(b []byte) []byte
		why    string // "": not noticed, since nothing is wrong
	}{
		{"as it was", func(b []byte) []byte { return b }, ""},
		{"one byte less", func(b []byte) []byte { return b[:len(b)-1] }, "of which the file has"},
		{"half a head", func(b []byte) []byte { return append(b, 1, 2, 3) }, "unexpected EOF"},
		{"zeros after it", func(b []byte) []byte { return append(b, make([]byte, 4096)...) }, "wrong checksum"},
		{"a bit at the end", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "wrong checksum"},
		{"a bit in the middle", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "wrong checksum"},
		{"a bit in the first record", func(b []byte) []byte { b[40] ^= 1; return b }, "record at 24: wrong checksum"},
		{"a length", func(b []byte) []byte { b[24+45] = 0xff; return b }, "record at 24: 4278190"},
		{"another file", func(b []byte) []byte { return bytes.Repeat([]byte("x"), 500) }, "does not begin as a journal of epoch 0"},
		{"the journal of another epoch", func(b []byte) []byte { b[23] = 1; return b }, "does not begin as a journal of epoch 0"},
		{"cut in its beginning", func(b []byte) []byte { return b[:10] }, "beginning: unexpected EOF"},
		{"empty", func(b []byte) []byte { return nil }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			half(t, dir, b)
			path := filepath.Join(dir, history.JournalDir, "00000.journal")
			was, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, tt.change(was), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			cfg := configOf(dir, b)
			cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
			s := open(t, cfg)
			cuts := s.Status().Cuts
			switch {
			case tt.why == "" && (len(cuts) > 0 || log.Len() > 0):
				t.Errorf("cut: %+v, %s", cuts, &log)
			case tt.why != "" && (len(cuts) != 1 || cuts[0].Path != path || !strings.Contains(cuts[0].Why, tt.why) || !strings.Contains(log.String(), path)):
				t.Errorf("cut: %+v, log %s; want %q", cuts, &log, tt.why)
			}
			run(t, s, &peer{blocks: b})
			checkDir(t, dir, b, 0)
		})
	}
}

// TestAnotherTarget: journals of a chain that has got longer are of use, and those of a fork do no harm.
func TestAnotherTarget(t *testing.T) {
	whole := grow(nil, 0, 2000, 0, "")
	for _, tt := range []struct {
		name string
		was  *blocks
		want int // headers to be asked for
	}{
		{"longer", grow(whole, 1500, 1500, 0, ""), 500},
		{"a fork", grow(whole, 1400, 1600, 0, "fork"), 600},
		{"shorter", grow(whole, 2000, 2300, 0, ""), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s, p := open(t, configOf(dir, tt.was)), &peer{blocks: tt.was}
			for !s.Status().Headers {
				if _, err := step(s, p); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			p = &peer{blocks: whole}
			run(t, open(t, configOf(dir, whole)), p)
			checkDir(t, dir, whole, 0)
			if got := p.served[chain.Header]; got < tt.want || got > tt.want+192 {
				t.Errorf("%d headers asked for, want %d", got, tt.want)
			}
		})
	}
}

// TestCrashWhileWriting: after a crash at any place between a new file and the end of what it replaces,
// the next process does the rest.
func TestCrashWhileWriting(t *testing.T) {
	b := grow(nil, 0, 1000, 0, "")
	short := grow(b, 600, 600, 0, "")
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir string)
	}{
		{"a temporary file", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, ".epoch.123.troupe-tmp"), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"the smaller file is left", func(t *testing.T, dir string) { putFile(t, dir, b, 0, 1000) }},
		{"checksums are left", func(t *testing.T, dir string) {
			putFile(t, dir, b, 0, 1000)
			if err := os.Remove(filepath.Join(dir, name(short, 0))); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			putFile(t, dir, short, 0, 600)
			if _, err := history.WriteChecksums(t.Context(), dir, nil); err != nil {
				t.Fatal(err)
			}
			s := open(t, configOf(dir, b))
			for range 2 {
				if _, err := step(s, &peer{blocks: b}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			tt.make(t, dir)
			if strings.Contains(tt.name, "left") { // the sum is noted before the file has its name
				sum, err := history.SumFile(filepath.Join(dir, name(b, 0)))
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprintf("half a li\n%x  %s\n", sum, name(b, 0))
				if err := os.WriteFile(filepath.Join(dir, history.JournalDir, "sums"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			run(t, open(t, configOf(dir, b)), &peer{blocks: b})
			checkDir(t, dir, b, 0)
		})
	}
}

// TestUnusableFiles: files that are corrupt or have no receipts are named, and their blocks downloaded.
func TestUnusableFiles(t *testing.T) {
	b := fromFile(t, testChain)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name(b, 0)), []byte("corrupt"), 0o600); err != nil {
		t.Fatal(err)
	}
	none, err := history.WriteEpoch(dir, "unknown", b, history.Blocks{Count: 601, NoReceipts: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cfg := configOf(dir, b)
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	run(t, open(t, cfg), &peer{blocks: b})
	for _, want := range []string{name(b, 0), none.Path, "has no receipts", "cannot be used"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not have %q:\n%s", want, &log)
		}
	}
	if err := os.Remove(none.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := history.WriteChecksums(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, b, 0)
}

// TestAnswersWithLess: what an answer lacks is asked for again, whatever it lacks, and what comes late or
// twice does no harm.
func TestAnswersWithLess(t *testing.T) {
	b := dense()
	for name, cut := range map[string]func(p chain.Part, items [][]byte) [][]byte{
		"nothing at first": nil,
		"one of each":      func(_ chain.Part, items [][]byte) [][]byte { return items[:1] },
		"every second part": func(p chain.Part, items [][]byte) [][]byte {
			if p == chain.Header {
				return items
			}
			return everySecond(items)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, p := open(t, configOf(dir, b)), &peer{blocks: b, cut: cut}
			var late []*backfill.Request
			for !s.Status().Done {
				r, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				if r == nil {
					if _, err := s.Write(t.Context()); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if cut == nil && len(late) < 12 {
					s.End(r)
					late = append(late, r)
					continue
				}
				if err := give(s, r, p); err != nil {
					t.Fatal(err)
				}
				for _, r := range late {
					if _, err := put(s, r, p.answer(r)); err != nil {
						t.Fatal(err)
					}
				}
				if taken, err := put(s, r, p.answer(r)); cut == nil && taken != 0 || err != nil {
					t.Fatalf("the same again: %d, %v", taken, err)
				}
			}
			for _, r := range late { // the epoch is written
				if taken, err := put(s, r, p.answer(r)); taken != 0 || err != nil {
					t.Fatalf("after the end: %d, %v", taken, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			checkDir(t, dir, b, 0)
		})
	}
}

func everySecond(items [][]byte) (some [][]byte) {
	for i := 0; i < len(items); i += 2 {
		some = append(some, items[i])
	}
	return some
}

// TestUnknownTarget: a hash that is that of no header.
func TestUnknownTarget(t *testing.T) {
	b := fromFile(t, testChain)
	cfg := configOf(t.TempDir(), b)
	cfg.Target = common.Hash{1}
	s := open(t, cfg)
	for range 3 {
		r, err := s.Next()
		if err != nil || r == nil || r.Query.Origin.Hash != cfg.Target {
			t.Fatalf("%+v, %v", r, err)
		}
		if second, err := s.Next(); second != nil || err != nil {
			t.Fatalf("a second request: %+v, %v", second, err)
		}
		if taken, err := s.PutHeaders(r, nil); taken != 0 || err != nil {
			t.Fatal(err)
		}
		s.End(r)
	}
	r, _ := s.Next()
	s.End(r)
	s.End(r)
	if st := s.Status(); st.Known || st.Done {
		t.Errorf("%+v", st)
	}
}
