package backfill_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func configOf(dir string, b *blocks) backfill.Config {
	return backfill.Config{Dir: dir, Network: "unknown", Genesis: b.genesis(), Target: b.last()}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	a, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("%s has %d bytes, and %s %d, or others", got, len(a), want, len(b))
	}
}

// TestExportedChain: what is downloaded from a peer with go-ethereum's test chain is the file that
// go-ethereum exports.
func TestExportedChain(t *testing.T) {
	b := fromFile(t, testChain)
	dir := filepath.Join(t.TempDir(), "new")
	p := &peer{blocks: b}
	run(t, open(t, configOf(dir, b)), p)
	checkDir(t, dir, b, 0)
	same(t, filepath.Join(dir, filepath.Base(testChain)), testChain)
	if p.served[chain.Header] != 600 {
		t.Errorf("%d headers asked for, want 600: the genesis block is known", p.served[chain.Header])
	}
}

// TestBlocksBeforeTheMerge: the file of an epoch of Sepolia before the Merge has the accumulator of the
// era1 file.
func TestBlocksBeforeTheMerge(t *testing.T) {
	b := fromFile(t, ethtest.Samples(t)[0])
	dir := t.TempDir()
	run(t, open(t, configOf(dir, b)), &peer{blocks: b})
	checkDir(t, dir, b, 0)
	r := history.VerifyFile(t.Context(), filepath.Join(dir, name(b, 0)))
	if r.Accumulator == nil || !strings.HasPrefix(r.Accumulator.Hex(), "0x643a00f7") {
		t.Errorf("accumulator %v, want that of the sample", r.Accumulator)
	}
}

// longChain has an epoch before the Merge, one with it, and the beginning of one after.
var longChain = sync.OnceValue(func() *blocks { return grow(nil, 0, 2*history.EpochSize+100, history.EpochSize+700, "") })

func TestAcrossTheMerge(t *testing.T) {
	b := longChain()
	dir := t.TempDir()
	s := open(t, configOf(dir, b))
	p := &peer{blocks: b}
	var order []string
	for {
		r, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r != nil {
			if err := give(s, r, p); err != nil {
				t.Fatal(err)
			}
			continue
		}
		path, err := s.Write(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if path == "" {
			break
		}
		order = append(order, filepath.Base(path))
		if r, err := history.List(dir); err != nil || !r.Good() || !r.Unfinished {
			t.Errorf("after %s: %+v (%v)", path, r, err)
		}
		if sums, err := history.ReadChecksums(dir); err != nil || len(sums) != len(order) {
			t.Errorf("after %s: checksums %v (%v)", path, sums, err)
		}
	}
	if want := []string{name(b, 2), name(b, 0), name(b, 1)}; !slices.Equal(order, want) {
		t.Errorf("written in the order %q, want %q", order, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, b, 0)
	if p.served[chain.Header] >= len(b.parts)+200 {
		t.Errorf("%d headers asked for, of %d", p.served[chain.Header], len(b.parts))
	}
}

// TestFrom: a download that ends above the genesis block.
func TestFrom(t *testing.T) {
	b := longChain()
	for _, tt := range []struct {
		name  string
		from  uint64
		below int // epochs that have files
		first uint64
		err   string
	}{
		{"after the Merge", 2 * history.EpochSize, 0, 2 * history.EpochSize, ""},
		{"amid an epoch", 2*history.EpochSize + 50, 0, 2 * history.EpochSize, ""},
		{"before the Merge", history.EpochSize + 1, 0, 0, "block 8891: the files of blocks before the Merge have total difficulties, which are sums from the genesis block on: download from block 0, onto files that have them, or from block 16384"},
		{"onto a file", history.EpochSize, 1, 0, ""},
		{"onto files", 0, 2, 0, ""},
		{"above the target", 5 * history.EpochSize, 0, 0, "block 16483, the target, is before block 40960"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for e := range tt.below {
				putFile(t, dir, b, uint64(e), history.EpochSize)
			}
			cfg := configOf(dir, b)
			cfg.From = tt.from
			s := open(t, cfg)
			p := &peer{blocks: b}
			if tt.err == "" {
				run(t, s, p)
				checkDir(t, dir, b, tt.first)
				return
			}
			var err error
			for more := true; more && err == nil; {
				more, err = step(s, p)
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if _, again := s.Next(); !errors.Is(again, err) {
				t.Errorf("later: %v, want the same", again)
			}
			if st := s.Status(); st.Done {
				t.Error("done")
			}
		})
	}
}

// putFile writes the file of an epoch, with its first blocks.
func putFile(t *testing.T, dir string, b *blocks, epoch, count uint64) string {
	t.Helper()
	first := epoch * history.EpochSize
	e, err := history.WriteEpoch(dir, "unknown", b, history.Blocks{First: first, Count: count, Before: b.before(first)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e.Path
}

func TestHeadersOnly(t *testing.T) {
	b := grow(nil, 0, 2000, 1000, "")
	dir := t.TempDir()
	cfg := configOf(dir, b)
	cfg.HeadersOnly = true
	run(t, open(t, cfg), &peer{blocks: b})
	if got := content(t, dir); !slices.Equal(got, []string{history.JournalDir}) {
		t.Errorf("written: %q", got)
	}
	run(t, open(t, cfg), nil) // all there
	cfg.HeadersOnly = false
	p := &peer{blocks: b}
	run(t, open(t, cfg), p)
	checkDir(t, dir, b, 0)
	if p.served[chain.Header] != 0 {
		t.Errorf("%d headers asked for again", p.served[chain.Header])
	}
}

// TestHeadersWait: while no bodies come, headers do not fill the disk.
func TestHeadersWait(t *testing.T) {
	b := grow(nil, 0, 2*history.EpochSize+60, 0, "")
	dir := t.TempDir()
	s := open(t, configOf(dir, b))
	p := &peer{blocks: b}
	var out []*backfill.Request
	for {
		r, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if r == nil {
			break
		}
		if r.Part == chain.Header {
			if err := give(s, r, p); err != nil {
				t.Fatal(err)
			}
		} else {
			out = append(out, r)
		}
	}
	if got := content(t, filepath.Join(dir, history.JournalDir)); len(got) > 3 {
		t.Errorf("%d journals: %q", len(got)-1, got)
	}
	if st := s.Status(); st.Headers || st.Ready || st.Done {
		t.Errorf("%+v", st)
	}
	if want := history.EpochSize + 60; p.served[chain.Header] != want {
		t.Errorf("%d headers asked for, want %d", p.served[chain.Header], want)
	}
	for _, r := range out {
		s.End(r)
	}
	if r, err := s.Next(); r == nil || r.Part == chain.Header || err != nil {
		t.Errorf("next: %+v, %v", r, err)
	}
}

func TestOneDownloadADirectory(t *testing.T) {
	b := fromFile(t, testChain)
	dir := t.TempDir()
	first := open(t, configOf(dir, b))
	if _, err := backfill.Open(configOf(dir, b)); !errors.Is(err, backfill.ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	if _, err := first.Next(); err == nil {
		t.Error("Next after Close")
	}
	run(t, open(t, configOf(dir, b)), &peer{blocks: b})
}

// TestWriteEnds: a write that is interrupted is done later.
func TestWriteEnds(t *testing.T) {
	b := fromFile(t, testChain)
	dir := t.TempDir()
	s, p := open(t, configOf(dir, b)), &peer{blocks: b}
	for !s.Status().Ready {
		if _, err := step(s, p); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if path, err := s.Write(ctx); !errors.Is(err, context.Canceled) || path != "" {
		t.Errorf("%q, %v", path, err)
	}
	if got := content(t, dir); !slices.Equal(got, []string{history.JournalDir}) {
		t.Errorf("written: %q", got)
	}
	run(t, s, p)
	checkDir(t, dir, b, 0)
}

// TestConcurrently uses all methods at the same time.
func TestConcurrently(t *testing.T) {
	b := longChain()
	dir := t.TempDir()
	s := open(t, configOf(dir, b))
	var group sync.WaitGroup
	var mu sync.Mutex
	p := &peer{blocks: b}
	for range 3 {
		group.Go(func() {
			for !s.Status().Done {
				r, err := s.Next()
				if err != nil {
					t.Error(err)
					return
				}
				if r == nil {
					if _, err := s.Write(t.Context()); err != nil {
						t.Error(err)
						return
					}
					continue
				}
				mu.Lock()
				answer := p.answer(r)
				mu.Unlock()
				if _, err := put(s, r, answer); err != nil {
					t.Error(err)
					return
				}
				s.End(r)
			}
		})
	}
	group.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, b, 0)
}
