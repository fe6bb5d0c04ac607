package history_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// testGenesis is the hash of the test chain's block 0.
func testGenesis(t *testing.T) common.Hash {
	b, err := os.ReadFile(ethtest.Chain(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := new(core.Genesis)
	if err := json.Unmarshal(b, g); err != nil {
		t.Fatal(err)
	}
	return g.ToBlock().Hash()
}

// archive indexes files, and returns the log with the archive.
func archive(t *testing.T, genesis common.Hash, cacheDir string, paths ...string) (*history.Archive, *bytes.Buffer) {
	t.Helper()
	log := new(bytes.Buffer)
	a, err := history.NewArchive(history.ArchiveConfig{
		Paths: paths, Genesis: genesis, CacheDir: cacheDir, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.Index(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	return a, log
}

// write puts a file into a directory of the test.
func write(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestArchiveOfOverlappingFiles(t *testing.T) {
	a, log := archive(t, testGenesis(t), "", ethtest.Chain(t, "chain.rlp"), receiptsFile)
	if s := a.State(); s.Indexed != 2 || s.Blocks != 601 || !s.Complete || len(s.LeftOut) != 0 || log.Len() != 0 {
		t.Errorf("%+v, log %s", s, log)
	}
	f := open(t, receiptsFile)
	for n := uint64(0); n <= 600; n++ {
		for _, p := range []chain.Part{chain.Header, chain.Body, chain.Receipts} {
			got, err := a.Read(p, n)
			if err != nil || !bytes.Equal(got, read(t, f, p, n)) {
				t.Fatalf("%v of block %d: %v", p, n, err)
			}
		}
		_, hash := header(t, f, n)
		if got, ok := a.Number(hash); !ok || got != n {
			t.Fatalf("block %v: number %d, %v, want %d", hash, got, ok, n)
		}
		hash[31]++ // the index knows but the beginning of a hash
		if got, ok := a.Number(hash); ok {
			t.Fatalf("found block %d for the hash of none", got)
		}
	}
	if _, err := a.Read(chain.AccessList, 600); err != nil {
		t.Error(err)
	}
	_, hash := header(t, f, 600)
	if last, ok := a.Last(); !ok || last.Number != 600 || last.Hash != hash || last.Time == 0 {
		t.Errorf("last block %+v, %v", last, ok)
	}
	for _, n := range []uint64{601, 1 << 63, 1<<64 - 1} {
		if _, err := a.Read(chain.Header, n); !errors.Is(err, chain.ErrAbsent) {
			t.Errorf("block %d: %v", n, err)
		}
	}
}

// TestArchiveRun: the run ends at a gap, in any of the parts that are asked for.
func TestArchiveRun(t *testing.T) {
	samples := ethtest.Samples(t)
	sepolia, _ := archive(t, params.SepoliaGenesisHash, "", samples...)
	test, _ := archive(t, testGenesis(t), "", ethtest.Chain(t, "chain.rlp"))
	for _, c := range []struct {
		name  string
		a     *history.Archive
		last  uint64
		parts []chain.Part
		first uint64
		ok    bool
	}{
		{"up to the gap", sepolia, 22*8192 - 1, []chain.Part{chain.Header, chain.Receipts}, 21 * 8192, true},
		{"within a file", sepolia, 21*8192 + 7, []chain.Part{chain.Header}, 21 * 8192, true},
		{"from genesis", sepolia, 8191, []chain.Part{chain.Header, chain.Body, chain.Receipts}, 0, true},
		{"in the gap", sepolia, 8192, []chain.Part{chain.Header}, 0, false},
		{"beyond the end", sepolia, 22 * 8192, []chain.Part{chain.Header}, 0, false},
		{"genesis not in the file", test, 600, []chain.Part{chain.Header, chain.Body}, 1, true},
		{"no receipts", test, 600, []chain.Part{chain.Header, chain.Receipts}, 0, false},
	} {
		if first, ok := c.a.Run(c.last, c.parts...); first != c.first || ok != c.ok {
			t.Errorf("%s: %d, %v, want %d, %v", c.name, first, ok, c.first, c.ok)
		}
	}
}

// TestArchiveLeavesOut: each file that can't be right is named, with what is wrong, and the others
// are served.
func TestArchiveLeavesOut(t *testing.T) {
	dir := t.TempDir()
	sample := load(t, ethtest.Samples(t)[0])
	long, short := ethtest.FirstOfEra1(sample, 200), ethtest.FirstOfEra1(sample, 100)
	corrupt := bytes.Clone(long)
	corrupt[len(corrupt)/2] ^= 1
	good := write(t, dir, "good.era1", short)
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"cut.era1", long[:len(long)-1], "index"},
		{"empty.ere", nil, "outside the file"},
		{"corrupt.era1", corrupt, "block 1"},
		{"another.ere", ethtest.FirstOfEre(load(t, receiptsFile), 3), "genesis"},
		{"unlinked.rlp", load(t, ethtest.Chain(t, "chain.rlp")), "genesis"},
		{"text.rlp", []byte("no blocks"), "no list"},
	} {
		bad := write(t, dir, c.name, c.b)
		a, log := archive(t, params.SepoliaGenesisHash, "", good, bad)
		s := a.State()
		if len(s.LeftOut) != 1 || s.LeftOut[0].Path != bad || !strings.Contains(s.LeftOut[0].Why, c.want) || s.Blocks != 100 {
			t.Errorf("%s: %+v, want %q", c.name, s, c.want)
		}
		if !strings.Contains(log.String(), bad) {
			t.Errorf("%s is not named: %s", c.name, log)
		}
		if _, err := a.Read(chain.Body, 99); err != nil {
			t.Errorf("%s: body of the other file: %v", c.name, err)
		}
	}
}

// TestArchiveOfDifferingFiles: the file that comes first is right, the other one is named with the
// first block that differs.
func TestArchiveOfDifferingFiles(t *testing.T) {
	dir := t.TempDir()
	blocks := load(t, ethtest.Chain(t, "chain.rlp"))
	// The other branch is the Sepolia sample, of which the first block is taken off.
	sepolia := load(t, ethtest.Samples(t)[0])
	one := write(t, dir, "test.rlp", ethtest.FirstOfChain(blocks, 50))
	two := write(t, dir, "sepolia.era1", ethtest.FirstOfEra1(sepolia, 40))
	a, _ := archive(t, testGenesis(t), "", one, two)
	if s := a.State(); len(s.LeftOut) != 1 || s.LeftOut[0].Path != two {
		t.Errorf("%+v", s)
	}
	a, _ = archive(t, params.SepoliaGenesisHash, "", one, two)
	if s := a.State(); len(s.LeftOut) != 1 || s.LeftOut[0].Path != one {
		t.Errorf("%+v", s)
	}
}

// TestEmptyDirectory: the operator learns that there is nothing to serve in a directory.
func TestEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "README", nil)
	_, log := archive(t, params.SepoliaGenesisHash, "", dir)
	if s := log.String(); strings.Count(s, "level=WARN") != 1 || !strings.Contains(s, dir) {
		t.Errorf("log %q", s)
	}
}

func TestArchiveFindsFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "README", []byte("not a history"))
	write(t, dir, "checksums.txt", nil)
	if err := os.Mkdir(filepath.Join(dir, "more.ere"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a.era1", ethtest.FirstOfEra1(load(t, ethtest.Samples(t)[0]), 10))
	a, log := archive(t, params.SepoliaGenesisHash, "", dir, dir)
	if s := a.State(); s.Files != 1 || s.Blocks != 10 || log.Len() != 0 {
		t.Errorf("%+v, log %s", s, log)
	}
	for _, path := range []string{filepath.Join(dir, "README"), filepath.Join(dir, "missing.ere")} {
		if _, err := history.NewArchive(history.ArchiveConfig{Paths: []string{path}}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestArchiveCache: the second start does not read the headers, unless the file has changed.
func TestArchiveCache(t *testing.T) {
	dir, cacheDir := t.TempDir(), t.TempDir()
	sample := load(t, ethtest.Samples(t)[0])
	path := write(t, dir, "a.era1", ethtest.FirstOfEra1(sample, 20))
	archive(t, params.SepoliaGenesisHash, cacheDir, path)
	// A header that is corrupt is not noticed, because it is not read.
	b := load(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := bytes.Clone(b)
	spoiled[len(b)/2] ^= 1
	write(t, dir, "a.era1", spoiled)
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
	a, _ := archive(t, params.SepoliaGenesisHash, cacheDir, path)
	if s := a.State(); s.Blocks != 20 {
		t.Errorf("the cache was not used: %+v", s)
	}
	// It is, once it is read: then the file is left out.
	for n := range uint64(20) {
		for p := range chain.Parts {
			_, _ = a.Read(p, n)
		}
	}
	if s := a.State(); len(s.LeftOut) != 1 {
		t.Errorf("a corrupt block was served: %+v", s)
	}
	if err := os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	a, _ = archive(t, params.SepoliaGenesisHash, cacheDir, path)
	if s := a.State(); len(s.LeftOut) != 1 || s.Blocks != 0 {
		t.Errorf("a changed file was not read again: %+v", s)
	}
	// A cache that is corrupt is not used.
	write(t, dir, "a.era1", b)
	archive(t, params.SepoliaGenesisHash, cacheDir, path)
	names, err := os.ReadDir(cacheDir)
	if err != nil || len(names) != 1 {
		t.Fatalf("%d files in the cache (%v)", len(names), err)
	}
	cached := filepath.Join(cacheDir, names[0].Name())
	c := load(t, cached)
	c[80] ^= 1
	write(t, cacheDir, names[0].Name(), c)
	a, _ = archive(t, params.SepoliaGenesisHash, cacheDir, path)
	head, err := a.Read(chain.Header, 19)
	if err != nil {
		t.Fatal(err)
	}
	if last, ok := a.Last(); !ok || last.Number != 19 || last.Hash != crypto.Keccak256Hash(head) {
		t.Errorf("last block %+v, %v", last, ok)
	}
	if n, ok := a.Number(crypto.Keccak256Hash(head)); !ok || n != 19 {
		t.Errorf("after a corrupt cache block 19 has number %d, %v", n, ok)
	}
}

func TestArchiveIndexEnds(t *testing.T) {
	a, err := history.NewArchive(history.ArchiveConfig{Paths: ethtest.Samples(t), Genesis: params.SepoliaGenesisHash, Log: slog.Default()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Index(ctx, func() {}); !errors.Is(err, context.Canceled) || a.State().Complete {
		t.Errorf("%v, %+v", err, a.State())
	}
}
