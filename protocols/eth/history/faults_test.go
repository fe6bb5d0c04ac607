package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// singles writes one file for each of the test chain's first blocks.
func singles(t *testing.T, dir string, count int) {
	t.Helper()
	b := load(t, ethtest.Chain(t, "chain.rlp"))
	for i := range count {
		from, to := len(ethtest.FirstOfChain(b, i)), len(ethtest.FirstOfChain(b, i+1))
		write(t, dir, fmt.Sprintf("%03d.rlp", i), b[from:to])
	}
}

// TestMissingFiles: a file that is missing for a moment stays, and one that is missing for long is
// left out. More files than an Archive keeps open, so that it opens the first ones anew.
func TestMissingFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "files")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		singles(t, dir, 70)
		a, log := archive(t, testGenesis(t), "", dir)
		rename := func(from, to string) {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		absent := func() {
			t.Helper()
			for range 10 {
				if _, err := a.Read(chain.Body, 1); !errors.Is(err, chain.ErrAbsent) {
					t.Errorf("read of a missing file: %v", err)
				}
			}
		}
		rename(dir, dir+"-away")
		absent()
		if n := strings.Count(log.String(), "000.rlp"); n != 1 {
			t.Errorf("logged %d times: %s", n, log)
		}
		if s := a.State(); len(s.LeftOut) != 0 || s.Blocks != 70 {
			t.Errorf("a file that is missing for a moment is left out: %+v", s)
		}
		time.Sleep(30 * time.Second)
		absent()
		rename(dir+"-away", dir)
		if _, err := a.Read(chain.Body, 1); err != nil {
			t.Errorf("the file is there again: %v", err)
		}
		rename(dir, dir+"-away")
		time.Sleep(time.Hour)
		if _, err := a.Read(chain.Body, 2); !errors.Is(err, chain.ErrAbsent) {
			t.Errorf("read of a missing file: %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := a.Read(chain.Body, 2); !errors.Is(err, chain.ErrAbsent) {
			t.Errorf("read of a missing file: %v", err)
		}
		if s := a.State(); len(s.LeftOut) != 1 || !strings.Contains(s.LeftOut[0].Path, "001.rlp") || s.Blocks != 69 {
			t.Errorf("a deleted file is not left out: %+v", s)
		}
		rename(dir+"-away", dir)
	})
}

// TestFileIsCutWhileServed: many read a file that has become too short. It is left out once, and the
// blocks that no other file has are gone.
func TestFileIsCutWhileServed(t *testing.T) {
	dir := t.TempDir()
	b := load(t, receiptsFile)
	long, short := write(t, dir, "long.ere", b), write(t, dir, "short.ere", ethtest.FirstOfEre(b, 100))
	var changes atomic.Int32
	a, err := history.NewArchive(history.ArchiveConfig{
		Paths: []string{long, short}, Genesis: testGenesis(t), Log: slog.New(slog.DiscardHandler),
		Changed: func() { changes.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Index(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(long, 1000); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			if _, err := a.Read(chain.Body, 50); err != nil {
				t.Errorf("block of the other file: %v", err)
			}
			if _, err := a.Read(chain.Body, 500); !errors.Is(err, chain.ErrAbsent) {
				t.Errorf("block of the file that was cut: %v", err)
			}
		})
	}
	readers.Wait()
	s := a.State()
	if len(s.LeftOut) != 1 || s.LeftOut[0].Path != long || s.Blocks != 100 || changes.Load() != 1 {
		t.Errorf("%+v, %d changes", s, changes.Load())
	}
	if last, ok := a.Last(); !ok || last.Number != 99 {
		t.Errorf("last block %+v, %v", last, ok)
	}
}

// TestTheRightFileIsBlamed: the file that comes first becomes corrupt while the second is compared
// with it.
func TestTheRightFileIsBlamed(t *testing.T) {
	b := load(t, receiptsFile)
	for name, spoil := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 100) },
		"another": func(path string) error { return os.WriteFile(path, ethtest.FirstOfEre(b, 7), 0o600) },
	} {
		dir := t.TempDir()
		one, two := write(t, dir, "one.ere", ethtest.FirstOfEre(b, 100)), write(t, dir, "two.ere", b)
		a, err := history.NewArchive(history.ArchiveConfig{
			Paths: []string{one, two}, Genesis: testGenesis(t), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		err = a.Index(t.Context(), func() {
			if a.State().Indexed == 1 {
				err = spoil(one)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(601) {
			if _, err := a.Read(chain.Body, n); err != nil {
				t.Fatalf("%s: body of block %d: %v", name, n, err)
			}
		}
		if s := a.State(); len(s.LeftOut) != 1 || s.LeftOut[0].Path != one || s.Blocks != 601 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestRottenBlocks: a body that is not its header's is not served, nor a header that is not the one
// that was indexed, and the file is named.
func TestRottenBlocks(t *testing.T) {
	b := load(t, ethtest.Chain(t, "chain.rlp"))
	start, end := len(ethtest.FirstOfChain(b, 13)), len(ethtest.FirstOfChain(b, 14))
	for _, c := range []struct {
		part chain.Part
		at   int
		late bool // the file rots after it was indexed
		want string
	}{
		{chain.Body, end - 300, false, "transactions root"},
		{chain.Body, end - 300, true, "transactions root"},
		{chain.Header, start + 20, true, "another one was indexed"},
	} {
		rotten := bytes.Clone(b)
		rotten[c.at] ^= 1
		first := rotten
		if c.late {
			first = b
		}
		path := write(t, t.TempDir(), "chain.rlp", first)
		a, log := archive(t, testGenesis(t), "", path)
		write(t, filepath.Dir(path), "chain.rlp", rotten)
		if s := a.State(); s.Blocks != 600 {
			t.Fatalf("%+v", s)
		}
		if _, err := a.Read(c.part, 14); !errors.Is(err, chain.ErrAbsent) {
			t.Errorf("%v, late %v: %v", c.part, c.late, err)
		}
		s := a.State()
		if len(s.LeftOut) != 1 || !strings.Contains(s.LeftOut[0].Why, c.want) || !strings.Contains(log.String(), path) {
			t.Errorf("%v, late %v: %+v, want %q", c.part, c.late, s, c.want)
		}
	}
}
