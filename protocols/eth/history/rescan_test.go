package history_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// rescanned is an archive of a directory that has the first blocks of the test chain.
type rescanned struct {
	*history.Archive
	*testing.T
	dir, cache string
	log        *bytes.Buffer
	changes    int
}

func openRescanned(t *testing.T, first []byte) *rescanned {
	t.Helper()
	r := &rescanned{T: t, dir: t.TempDir(), cache: t.TempDir(), log: new(bytes.Buffer)}
	write(t, r.dir, "a.ere", first)
	var err error
	r.Archive, err = history.NewArchive(history.ArchiveConfig{
		Paths: []string{r.dir}, Genesis: testGenesis(t), CacheDir: r.cache, Changed: func() { r.changes++ },
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Index(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	return r
}

// rescan fails unless the archive has so many files and blocks then, and as many entries in its cache.
func (r *rescanned) rescan(files int, blocks uint64) {
	r.Helper()
	if err := r.Rescan(r.Context()); err != nil {
		r.Fatal(err)
	}
	s := r.State()
	if s.Files != files || s.Indexed-len(s.LeftOut) != files-len(s.LeftOut) || s.Blocks != blocks {
		r.Errorf("%+v; want %d files and %d blocks", s, files, blocks)
	}
}

func (r *rescanned) remove(name string) {
	r.Helper()
	if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
		r.Fatal(err)
	}
}

func (r *rescanned) hash(n uint64) common.Hash {
	r.Helper()
	b, err := r.Read(chain.Header, n)
	if err != nil {
		r.Fatalf("block %d: %v", n, err)
	}
	return crypto.Keccak256Hash(b)
}

// TestRescan: a new file is served, and one that it replaces is not, without a word in the log.
func TestRescan(t *testing.T) {
	whole := load(t, receiptsFile)
	r := openRescanned(t, ethtest.FirstOfEre(whole, 101))
	r.rescan(1, 101)
	if r.changes != 0 {
		t.Error("a change without a new file")
	}
	if got := r.Missing(history.Range{First: 50, Last: 600}, chain.Header, chain.Receipts); !slices.Equal(got, []history.Range{{First: 101, Last: 600}}) {
		t.Errorf("missing %v", got)
	}
	hash := r.hash(50)
	write(t, r.dir, "b.ere", ethtest.FirstOfEre(whole, 301))
	r.rescan(2, 301)
	r.remove("a.ere")
	r.rescan(1, 301)
	write(t, r.dir, "c.ere", whole)
	r.remove("b.ere")
	r.rescan(1, 601)
	if n, ok := r.Number(hash); !ok || n != 50 || r.hash(50) != hash || r.changes != 3 {
		t.Errorf("block 50: %d, %v; %d changes", n, ok, r.changes)
	}
	if last, ok := r.Last(); !ok || last.Number != 600 || !r.HasBlock(chain.Body, 600, last.Hash) || r.HasBlock(chain.Body, 599, last.Hash) {
		t.Errorf("last %+v", last)
	}
	if r.log.Len() > 0 {
		t.Errorf("the log: %s", r.log)
	}
	if kept, err := os.ReadDir(r.cache); err != nil || len(kept) != 1 {
		t.Errorf("kept of replaced files: %v, %v", kept, err)
	}
}

// TestRescanReorganised: a file whose last blocks are of another branch gives way to the one that replaces it, and is
// served if that comes back.
func TestRescanReorganised(t *testing.T) {
	dir := t.TempDir()
	branch := testchain.Branch(t, dir, 295, 301)
	whole := load(t, receiptsFile)
	r := openRescanned(t, load(t, branch))
	stale := r.hash(300)
	write(t, r.dir, "b.ere", ethtest.FirstOfEre(whole, 401))
	if err := r.Rescan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := r.State().LeftOut; len(left) != 1 || !strings.Contains(left[0].Why, "block 295 is another than in") {
		t.Errorf("beside the other: %+v", left)
	}
	r = openRescanned(t, load(t, branch))
	write(t, r.dir, "b.ere", ethtest.FirstOfEre(whole, 401))
	r.remove("a.ere")
	r.rescan(1, 401)
	if _, ok := r.Number(stale); ok || r.hash(300) == stale || r.HasBlock(chain.Body, 300, stale) && r.log.Len() > 0 {
		t.Errorf("block 300 is still the stale one; log %s", r.log)
	}
	if n, ok := r.Number(r.hash(300)); !ok || n != 300 {
		t.Errorf("block 300: %d, %v", n, ok)
	}
}

// TestRescanKeepsWhatNoneReplaces: a file that is gone is not replaced by one that lacks some of its blocks, nor by
// one that is corrupt.
func TestRescanKeepsWhatNoneReplaces(t *testing.T) {
	whole := load(t, receiptsFile)
	r := openRescanned(t, ethtest.FirstOfEre(whole, 301))
	r.remove("a.ere")
	write(t, r.dir, "b.ere", ethtest.FirstOfEre(whole, 101))
	r.rescan(2, 301)
	write(t, r.dir, "c.ere", whole[:len(whole)/2])
	r.rescan(3, 301)
	if s := r.State(); len(s.LeftOut) != 1 || !strings.Contains(s.LeftOut[0].Path, "c.ere") {
		t.Errorf("%+v", s)
	}
	r.rescan(3, 301)
	if r.hash(300) == (common.Hash{}) || strings.Count(r.log.String(), "left out") != 1 {
		t.Errorf("the log: %s", r.log)
	}
}
