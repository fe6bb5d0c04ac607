package backfill_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/backfill"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// TestGrowth: a later download asks for what is new alone, and replaces the file of the last epoch.
func TestGrowth(t *testing.T) {
	whole := longChain()
	short := grow(whole, history.EpochSize*2+50, history.EpochSize*2+50, 0, "")
	dir := t.TempDir()
	run(t, open(t, configOf(dir, short)), &peer{blocks: short})
	checkDir(t, dir, short, 0)
	p := &peer{blocks: whole}
	run(t, open(t, configOf(dir, whole)), p)
	checkDir(t, dir, whole, 0)
	if want := len(whole.parts) - len(short.parts); p.served[chain.Header] < want || p.served[chain.Header] > want+192 {
		t.Errorf("%d headers asked for, want %d", p.served[chain.Header], want)
	}
	// Nothing is left to do, and no peer is needed to know it. So it is below the end of a file.
	run(t, open(t, configOf(dir, whole)), nil)
	p = &peer{blocks: whole}
	run(t, open(t, configOf(dir, short)), p)
	if p.requests > 1 {
		t.Errorf("%d requests for blocks that are there", p.requests)
	}
	checkDir(t, dir, whole, 0)
}

// TestReorganisation: the file of the last epoch is used up to where the chain was reorganised, and
// replaced. One that differs by more is not touched.
func TestReorganisation(t *testing.T) {
	b := grow(nil, 0, 1000, 0, "")
	for _, tt := range []struct {
		fork, count int
		good        bool
	}{{899, 900, true}, {780, 900, true}, {771, 900, false}, {990, 1000, true}, {990, 1100, false}, {0, 100, false}} {
		t.Run(fmt.Sprintf("%d of %d", tt.fork, tt.count), func(t *testing.T) {
			dir := t.TempDir()
			old := putFile(t, dir, grow(b, tt.fork, tt.count, 0, "fork"), 0, uint64(tt.count))
			s, p := open(t, configOf(dir, b)), &peer{blocks: b}
			if tt.good {
				run(t, s, p)
				checkDir(t, dir, b, 0)
				if want := 1000 - tt.fork; p.served[chain.Header] > want+192 {
					t.Errorf("%d headers asked for, want %d", p.served[chain.Header], want)
				}
				return
			}
			var err error
			for more := true; more && err == nil; {
				more, err = step(s, p)
			}
			if !errors.Is(err, backfill.ErrOtherChain) || !strings.Contains(err.Error(), old) {
				t.Errorf("error %v, want one that names %s", err, old)
			}
			if _, err := os.Stat(old); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnevenFiles: files that end or begin amid an epoch are used, whichever blocks they have.
func TestUnevenFiles(t *testing.T) {
	b := longChain()
	dir := t.TempDir()
	write := func(name string, first, count uint64) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := history.WriteEre(f, b, history.Blocks{First: first, Count: count, Before: b.before(first)}); err != nil {
			t.Fatal(err)
		}
	}
	write("a.ere", 100, 50)
	write("b.ere", 8000, 400) // across two epochs
	write("c.ere", 8192+8000, 192)
	write("d.ere", 16384+50, 20)
	p := &peer{blocks: b}
	run(t, open(t, configOf(dir, b)), p)
	if want := len(b.parts) - 662 - 1; p.served[chain.Header] > want+200 {
		t.Errorf("%d headers asked for, want %d", p.served[chain.Header], want)
	}
	for _, name := range []string{"a.ere", "b.ere", "c.ere", "d.ere"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	checkDir(t, dir, b, 0)
}

// TestOtherChain: files and the genesis block must be of the target's chain.
func TestOtherChain(t *testing.T) {
	b := grow(nil, 0, history.EpochSize+100, 0, "")
	short := grow(b, 500, 500, 0, "")
	foreign := grow(nil, 0, history.EpochSize, 0, "foreign")
	for _, tt := range []struct {
		name    string
		chain   *blocks
		file    *blocks
		genesis *blocks
		from    uint64
	}{
		{"a fork", short, grow(short, 200, 400, 0, "fork"), b, 0},
		{"another chain", short, grow(foreign, 300, 300, 0, ""), b, 0},
		{"below the first block", b, foreign, b, history.EpochSize},
		{"genesis block", short, nil, foreign, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			want := b.genesis().Hash().String()
			if tt.file != nil {
				want = putFile(t, dir, tt.file, 0, uint64(len(tt.file.parts)))
			}
			cfg := configOf(dir, tt.chain)
			cfg.Genesis, cfg.From = tt.genesis.genesis(), tt.from
			s := open(t, cfg)
			var err error
			for more := true; more && err == nil; {
				more, err = step(s, &peer{blocks: tt.chain})
			}
			if !errors.Is(err, backfill.ErrOtherChain) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q in it", err, want)
			}
		})
	}
}
