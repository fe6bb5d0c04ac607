//go:build unix

package history_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

func pipe(t *testing.T, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSpecialFiles: a named pipe without a writer holds nothing up, wherever a file is expected, and
// is named.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	path := pipe(t, filepath.Join(dir, "pipe.ere"))
	if _, err := history.NewArchive(history.ArchiveConfig{Paths: []string{path}}); !errors.Is(err, chain.ErrNotRegular) || !strings.Contains(err.Error(), path) {
		t.Errorf("as a path: %v", err)
	}
	if _, err := history.Open(path); !errors.Is(err, chain.ErrNotRegular) {
		t.Errorf("opened: %v", err)
	}
	if _, err := chain.ReadGenesis(path); !errors.Is(err, chain.ErrNotRegular) || !strings.Contains(err.Error(), path) {
		t.Errorf("as a genesis file: %v", err)
	}
	b := load(t, ethtest.Chain(t, "chain.rlp"))
	good := write(t, dir, "good.rlp", ethtest.FirstOfChain(b, 10))
	a, _ := archive(t, testGenesis(t), "", dir)
	if s := a.State(); len(s.LeftOut) != 1 || s.LeftOut[0].Path != path || s.Blocks != 10 {
		t.Errorf("in a directory: %+v", s)
	}
	pipe(t, filepath.Join(dir, "newpayload.json"))
	a, log := archive(t, testGenesis(t), "", good)
	if s := a.State(); len(s.LeftOut) != 1 || !strings.Contains(log.String(), "newpayload.json") {
		t.Errorf("as the block access lists: %+v, log %s", s, log)
	}
}

// TestSymbolicLinks: links to regular files are served. One that leads nowhere is tried again, and
// at last named.
func TestSymbolicLinks(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	b := load(t, ethtest.Chain(t, "chain.rlp"))
	five, seven := ethtest.FirstOfChain(b, 5), ethtest.FirstOfChain(b, 7)
	link(write(t, other, "data", five), "link.rlp")
	link(other, "directory.ere")
	link(filepath.Join(other, "late"), "late.rlp")
	link(filepath.Join(other, "nowhere"), "nowhere.rlp")
	synctest.Test(t, func(t *testing.T) {
		time.AfterFunc(5*time.Second, func() { write(t, other, "late", seven[len(five):]) })
		start := time.Now()
		a, log := archive(t, testGenesis(t), "", dir)
		s := a.State()
		if s.Files != 3 || s.Indexed != 3 || s.Blocks != 7 || !s.Complete {
			t.Errorf("%+v", s)
		}
		if len(s.LeftOut) != 1 || !strings.Contains(s.LeftOut[0].Path, "nowhere.rlp") || !strings.Contains(log.String(), "late.rlp") {
			t.Errorf("%+v, log %s", s, log)
		}
		if took := time.Since(start); took < 20*time.Second || took > time.Minute {
			t.Errorf("took %v", took)
		}
	})
}
