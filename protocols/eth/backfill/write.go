package backfill

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// ready returns an epoch that can be written, or nil.
func (s *Sync) ready() *epoch {
	for _, ep := range s.working() {
		if ep.work.missing == 0 && !ep.writing && (!ep.beforeMerge || s.hasTotal(ep.first)) {
			return ep
		}
	}
	return nil
}

// Write writes the file of one epoch that is whole, and checksums.txt, and returns the file's path. It
// returns "" if there is none; Status says so beforehand. It takes seconds, in which other methods go
// on. If ctx ends, nothing is written, and a later call does it. Any other error ends the download.
func (s *Sync) Write(ctx context.Context) (path string, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	ep, src, blocks, err := s.beginWrite(ctx)
	if err != nil {
		return "", err
	}
	if ep == nil {
		return "", s.failUnless(ctx, s.writeSums(ctx))
	}
	e, err := history.WriteEpoch(s.cfg.Dir, s.cfg.Network, src, blocks, s.appendSum)
	err = errors.Join(err, src.close())
	if err == nil {
		err = s.finishWrite(ctx, ep, e)
	}
	s.mu.Lock()
	ep.writing = false
	s.mu.Unlock()
	if err != nil {
		return "", s.failUnless(ctx, fmt.Errorf("write epoch %d: %w", ep.number, err))
	}
	return e.Path, nil
}

// failUnless ends the download with an error, unless ctx has ended: then it is why the error came.
func (s *Sync) failUnless(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail(err)
}

func (s *Sync) beginWrite(ctx context.Context) (*epoch, *epochSource, history.Blocks, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var blocks history.Blocks
	if s.failed != nil {
		return nil, nil, blocks, s.failed
	}
	ep := s.ready()
	if ep == nil {
		return nil, nil, blocks, nil
	}
	j, err := s.journal(ep.number)
	if err != nil {
		return nil, nil, blocks, s.fail(err)
	}
	var before *big.Int
	if ep.beforeMerge {
		if before, err = s.totalBefore(ep.first); err != nil {
			return nil, nil, blocks, s.fail(err)
		}
	}
	ep.writing = true
	blocks = history.Blocks{First: ep.first, Count: ep.last - ep.first + 1, Before: before}
	return ep, &epochSource{ctx: ctx, epoch: ep, journal: j, open: map[string]*history.File{}}, blocks, nil
}

// finishWrite removes what the new file replaces: smaller files, and the journal.
func (s *Sync) finishWrite(ctx context.Context, ep *epoch, e history.EpochFile) error {
	s.mu.Lock()
	s.sums[filepath.Base(e.Path)], s.unsummed = e.Sum, true
	s.addFile(file{path: e.Path, first: ep.first, last: ep.last, hash: e.Last, totalDifficulty: ep.beforeMerge})
	s.written++
	delete(s.epochs, ep.number)
	err := errors.Join(s.removeReplaced(), s.removeReorged(ep.number, e.Path))
	if j, ok := s.journals[ep.number]; ok {
		delete(s.journals, ep.number)
		err = errors.Join(err, j.close())
	}
	err = errors.Join(err, os.Remove(s.journalPath(ep.number)))
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.writeSums(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// writeSums writes checksums.txt, if it may be wrong.
func (s *Sync) writeSums(ctx context.Context) error {
	s.mu.Lock()
	known, must := maps.Clone(s.sums), s.unsummed
	s.mu.Unlock()
	if !must {
		return nil
	}
	sums, err := history.WriteChecksums(ctx, s.cfg.Dir, known)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums, s.unsummed = sums, false
	return nil
}

// removeReplaced removes files of this package's making whose blocks are all in another one of the
// same epoch.
func (s *Sync) removeReplaced() error {
	for _, small := range s.files {
		for _, big := range s.files {
			if small.path == big.path || small.first != big.first || small.last > big.last || !s.isOurs(&small) || !s.isOurs(&big) {
				continue
			}
			same, _, err := hasBlock(big.path, small.last, small.hash)
			if err != nil {
				return err
			}
			if !same {
				continue
			}
			if err := s.removeFile(small.path); err != nil {
				return err
			}
			return s.removeReplaced()
		}
	}
	return nil
}

func (s *Sync) isOurs(f *file) bool {
	return filepath.Base(f.path) == history.EreName(s.cfg.Network, epochOf(f.first), f.hash, true)
}

// removeReorged removes the files of an epoch whose last blocks are no longer of the chain. path has
// those that are.
func (s *Sync) removeReorged(epoch uint64, path string) error {
	for old, e := range s.reorged {
		if e != epoch {
			continue
		}
		delete(s.reorged, old)
		if old == path {
			continue
		}
		s.cfg.Log.Info("the chain was reorganised; a file was replaced", "file", old, "by", path)
		if err := s.removeFile(old); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sync) removeFile(path string) error {
	delete(s.sums, filepath.Base(path))
	s.files = slices.DeleteFunc(s.files, func(f file) bool { return f.path == path })
	return os.Remove(path)
}

// hasBlock reports whether block n of a file has a hash, and which it has.
func hasBlock(path string, n uint64, hash common.Hash) (same bool, got common.Hash, err error) {
	f, err := history.Open(path)
	if err != nil {
		return false, got, err
	}
	defer f.Close()
	_, got, err = f.Header(n)
	return got == hash, got, err
}

// epochSource gives the parts of an epoch's blocks.
type epochSource struct {
	ctx     context.Context
	epoch   *epoch
	journal *journal
	open    map[string]*history.File
}

// Read implements history.Source.
func (e *epochSource) Read(p chain.Part, n uint64) ([]byte, error) {
	if err := e.ctx.Err(); err != nil {
		return nil, err
	}
	if f := e.epoch.inFile(n); f != nil {
		opened := e.open[f.path]
		if opened == nil {
			var err error
			if opened, err = history.Open(f.path); err != nil {
				return nil, err
			}
			e.open[f.path] = opened
		}
		return opened.Read(p, n)
	}
	if p != chain.Header && e.journal.slot(n).records[p].offset == 0 {
		h, err := e.journal.header(n)
		if err != nil {
			return nil, err
		}
		if b, ok := emptyPart(p, h); ok {
			return b, nil
		}
	}
	return e.journal.read(p, n)
}

func (e *epochSource) close() (err error) {
	for _, f := range e.open {
		err = errors.Join(err, f.Close())
	}
	return err
}

// sumsPath is a file with the checksums of what this download has written, so that checksums.txt can
// be made after a crash without reading all files.
func (s *Sync) sumsPath() string { return filepath.Join(s.journalDir(), "sums") }

// appendSum notes a file's checksum before the file has its name.
func (s *Sync) appendSum(e history.EpochFile) error {
	f, err := os.OpenFile(s.sumsPath(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	// It begins with a line break, because a crash may have left half a line.
	_, err = fmt.Fprintf(f, "\n%x  %s\n", e.Sum, filepath.Base(e.Path))
	return errors.Join(err, f.Sync(), f.Close())
}

// readSums reads the checksums that are known.
func (s *Sync) readSums() error {
	sums, err := history.ReadChecksums(s.cfg.Dir)
	if err != nil {
		s.cfg.Log.Warn("checksums.txt is written anew", "err", err)
	}
	if s.sums = sums; sums == nil {
		s.sums = history.Sums{}
	}
	f, err := os.Open(s.sumsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s.unsummed = true
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		if b, err := hex.DecodeString(sum); err == nil && len(b) == common.HashLength && name != "" {
			s.sums[name] = common.Hash(b)
		}
	}
	return nil
}
