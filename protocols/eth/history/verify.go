package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Verify reads all that the files of a directory have, and compares it: headers with the hashes by
// which they are linked, within and between files; bodies, receipts and block access lists with the
// roots in their headers; total difficulties and accumulators with the headers; names with the blocks;
// and the files with checksums.txt, if there is one. Proofs are not read. One file is read at a time
// for each CPU. done, unless nil, is called with each file's report, one at a time, in the order of
// the names. If ctx ends, so does Verify, with its error.
//
// Whether the blocks are those of the right chain is the caller's to compare: by the hash of one block,
// all below it are sure.
func Verify(ctx context.Context, dir string, done func(FileReport)) (*Report, error) {
	paths, err := find(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	sums, err := ReadChecksums(dir)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	r.Checksums = sums != nil
	for _, name := range sums.Missing(dir) {
		r.Problems = append(r.Problems, fmt.Sprintf("%s: named in %s, but not there", name, ChecksumsName))
	}
	all := make([]FileReport, len(paths))
	order := inOrder{ready: make([]bool, len(paths))}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		group.Go(func() error {
			all[i] = VerifyFile(ctx, path)
			if sums != nil && ctx.Err() == nil {
				checkSum(&all[i], sums)
			}
			if ctx.Err() == nil && done != nil {
				order.finish(i, func(i int) { done(all[i]) })
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, one := range all {
		if one.Count == 0 {
			r.LeftOut = append(r.LeftOut, LeftOut{Path: one.Path, Why: strings.Join(one.Problems, "; ")})
			continue
		}
		r.Files = append(r.Files, one)
	}
	r.relate(dir)
	return r, nil
}

// inOrder turns ends of jobs in any order into calls in the jobs' order.
type inOrder struct {
	mu    sync.Mutex
	ready []bool
	next  int
}

func (o *inOrder) finish(i int, call func(int)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ready[i] = true
	for ; o.next < len(o.ready) && o.ready[o.next]; o.next++ {
		call(o.next)
	}
}

// checkSum compares a file with its line in checksums.txt, which is for era1 and .ere files.
func checkSum(r *FileReport, sums Sums) {
	name := filepath.Base(r.Path)
	if _, _, ok := EpochOf(name); !ok {
		return
	}
	want, ok := sums[name]
	if !ok {
		r.problem(fmt.Errorf("%s: not in %s", r.Path, ChecksumsName))
		return
	}
	got, err := SumFile(r.Path)
	if err == nil && got != want {
		err = fmt.Errorf("%s: SHA-256 %x, but %x in %s", r.Path, got, want, ChecksumsName)
	}
	if err != nil {
		r.problem(err)
	}
}

// VerifyFile reads all that a file has, as Verify does, but for the checksum. A file that cannot be
// opened has no blocks in its report. If ctx ends, the report is of no use.
func VerifyFile(ctx context.Context, path string) FileReport {
	f, err := Open(path)
	if err != nil {
		r := FileReport{Path: path}
		r.problem(err)
		return r
	}
	defer f.Close()
	info, err := os.Stat(path)
	if err != nil {
		r := FileReport{Path: path}
		r.problem(err)
		return r
	}
	v := verifier{f: f, ctx: ctx}
	if v.r, err = describe(f, info.Size()); err == nil {
		err = f.Walk(v.block)
	}
	if err == nil {
		err = v.accumulator()
	}
	if err == nil {
		err = v.name()
	}
	if err != nil && !errors.Is(err, errEnough) {
		v.r.problem(err)
	}
	return v.r
}

// verifier verifies one file.
type verifier struct {
	ctx context.Context
	f   *File
	r   FileReport
	acc accumulator
}

// errEnough ends the reading of a file when its report is full.
var errEnough = errors.New("too many problems")

// block checks the parts of a block. What is wrong in one does not end the reading of the others.
func (v *verifier) block(hash common.Hash, h *types.Header) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	n, good := h.Number.Uint64(), true
	for _, p := range []chain.Part{chain.Body, chain.Receipts} {
		if !v.f.Has(p) {
			continue
		}
		content, err := v.f.Read(p, n)
		if err == nil {
			if err = checkPart(p, content, h); err != nil {
				err = fmt.Errorf("%s: %s of block %d: %w", v.f.path, p, n, err)
			}
		}
		if err != nil {
			good = false
			if !v.r.problem(err) {
				return errEnough
			}
		}
	}
	if good {
		v.r.Verified++
	}
	if h.Difficulty.Sign() == 0 || !v.f.Has(chain.Difficulty) || v.acc.count == maxBlocks {
		return nil
	}
	total, err := v.f.TotalDifficulty(n)
	if err != nil {
		return err
	}
	return v.acc.add(hash, total)
}

// accumulator compares the file's with that of its headers.
func (v *verifier) accumulator() error {
	root, ok, err := v.f.format.accumulator()
	if err != nil {
		return fmt.Errorf("%s: accumulator: %w", v.f.path, err)
	}
	_, must := v.f.format.(*era1)
	switch {
	case !ok && must:
		v.r.problem(fmt.Errorf("%s: no accumulator", v.f.path))
	case ok && v.acc.count == 0:
		v.r.problem(fmt.Errorf("%s: an accumulator, but no block before the Merge with a total difficulty", v.f.path))
	case ok:
		stored := common.Hash(root)
		v.r.Accumulator = &stored
		if want := v.acc.root(); stored != want {
			v.r.problem(fmt.Errorf("%s: accumulator %v, want %v", v.f.path, stored, want))
		}
	}
	return nil
}

// name compares what the file's name says with its blocks: the epoch, whether there are receipts, and the
// beginning of the last block's hash (.ere) or of the accumulator (era1).
func (v *verifier) name() error {
	name := filepath.Base(v.f.path)
	_, epoch, ok := EpochOf(name)
	if !ok {
		return nil
	}
	if epoch != v.r.First/EpochSize || v.r.First%EpochSize != 0 {
		v.r.problem(fmt.Errorf("%s: named for epoch %d, but begins with block %d", v.f.path, epoch, v.r.First))
	}
	if !v.r.Receipts && !strings.Contains(name, "-noreceipts") {
		v.r.problem(fmt.Errorf("%s: no receipts, though its name does not say so", v.f.path))
	}
	id := v.r.Last
	if filepath.Ext(name) == ".era1" {
		if v.r.Accumulator == nil {
			return nil
		}
		id = *v.r.Accumulator
	}
	short := strings.Split(strings.TrimSuffix(name, filepath.Ext(name)), "-")[2]
	if want := fmt.Sprintf("%x", id[:4]); short != want {
		v.r.problem(fmt.Errorf("%s: named %s, want %s", v.f.path, short, want))
	}
	return nil
}
