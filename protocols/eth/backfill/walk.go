package backfill

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// cursor is how far down the chain is known.
type cursor struct {
	target uint64
	known  bool // the numbers
	done   bool // there is no block below
	number uint64
	want   common.Hash // of block number
	flying bool        // its header has been asked for

	top    uint64 // the first block that was seen of number's epoch
	passed []file // that have blocks of the epoch
	merged bool   // the block above number is after the Merge; true at the target
}

// epoch is an epoch whose file is to be written.
type epoch struct {
	number      uint64
	first, last uint64
	files       []file // that have some of its blocks
	whole       bool   // all headers are there
	beforeMerge bool   // the first block is
	work        *work  // while bodies and receipts are asked for
	writing     bool
}

func epochOf(n uint64) uint64 { return n / history.EpochSize }

// findTarget looks for the number of the target where it is easily found.
func (s *Sync) findTarget() error {
	for _, f := range s.files {
		if f.hash == s.cfg.Target {
			s.begin(f.last)
			return nil
		}
	}
	entries, err := os.ReadDir(s.journalDir())
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) { // most probably in the highest
		var number uint64
		if _, err := fmt.Sscanf(e.Name(), "%d.journal", &number); err != nil || e.Name() != filepath.Base(s.journalPath(number)) {
			continue
		}
		j, err := s.journal(number)
		if err != nil {
			return err
		}
		for i := range j.slots {
			if j.slots[i].hash == s.cfg.Target {
				s.begin(number*history.EpochSize + uint64(i))
				return nil
			}
		}
		return nil
	}
	return nil
}

// begin notes the number of the target.
func (s *Sync) begin(number uint64) {
	s.cursor = cursor{target: number, known: true, number: number, want: s.cfg.Target, top: number, merged: true, flying: s.cursor.flying}
}

// walk goes down the chain as far as files and journals have it, and headers may be ahead.
func (s *Sync) walk() error {
	c := &s.cursor
	if c.known && c.target < s.cfg.From {
		return s.fail(fmt.Errorf("block %d, the target, is before block %d", c.target, s.cfg.From))
	}
	for c.known && !c.done && !s.held() {
		if c.number == 0 && c.want != s.cfg.Genesis.Hash() {
			return s.fail(fmt.Errorf("genesis block %v: %w, %v", s.cfg.Genesis.Hash(), ErrOtherChain, c.want))
		}
		f, err := s.fileOf(c.number, c.want)
		if err == nil && f != nil {
			err = s.pass(f)
		}
		if err != nil {
			return s.fail(err)
		}
		if f != nil {
			continue
		}
		more, err := s.passJournal()
		if err != nil {
			return s.fail(err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// held reports whether headers must wait for other parts. They do after the Merge alone: the epochs
// before it cannot be written until all headers are there.
func (s *Sync) held() bool {
	c := &s.cursor
	if s.cfg.HeadersOnly || !c.merged || c.number != c.top {
		return false
	}
	waiting := 0
	for _, ep := range s.epochs {
		if ep.whole && !ep.beforeMerge {
			waiting++
		}
	}
	return waiting >= ahead
}

// fileOf returns the file that has block n, which must have this hash. It returns nil if no file has
// it, or if the file of an epoch that is not whole has another one near its end: then the chain was
// reorganised, and the file is replaced.
func (s *Sync) fileOf(n uint64, want common.Hash) (*file, error) {
	f := s.fileWith(n)
	if f == nil {
		return nil, nil
	}
	same, got, err := hasBlock(f.path, n, want)
	switch {
	case err != nil:
		return nil, err
	case same:
		return f, nil
	case s.mayReplace(f, n):
		s.reorged[f.path] = epochOf(f.first)
		return nil, nil
	}
	return nil, fmt.Errorf("%s: block %d is %v: %w, which has %v; move the file away", f.path, n, got, ErrOtherChain, want)
}

// mayReplace reports whether a file may be wrong from block n on because of a reorganisation. No file is
// replaced by a shorter one.
func (s *Sync) mayReplace(f *file, n uint64) bool {
	whole := f.last+1 == f.first+history.EpochSize
	return !whole && n > f.first && f.last-n < maxReorg && f.last <= s.cursor.target && s.isOurs(f)
}

// pass goes down to the first block that a file has of the cursor's epoch.
func (s *Sync) pass(f *file) error {
	c := &s.cursor
	opened, err := history.Open(f.path)
	if err != nil {
		return err
	}
	defer opened.Close()
	low := max(f.first, epochOf(c.number)*history.EpochSize, s.floor)
	h, _, err := opened.Header(low)
	if err != nil {
		return err
	}
	used := *f
	used.last = c.number
	c.passed = append(c.passed, used)
	return s.down(low, h.ParentHash, h.Difficulty.Sign() == 0)
}

// passJournal goes down one block, if the journal has its header.
func (s *Sync) passJournal() (ok bool, err error) {
	c := &s.cursor
	j, err := s.journal(epochOf(c.number))
	if err != nil {
		return false, err
	}
	if j.slot(c.number).hash != c.want {
		if c.number > 0 {
			return false, nil
		}
		b, err := rlp.EncodeToBytes(s.cfg.Genesis.Header())
		if err == nil {
			err = j.add(chain.Header, 0, c.want, b)
		}
		if err != nil {
			return false, err
		}
	}
	if e := epochOf(c.number); s.epochs[e] == nil {
		s.epochs[e] = &epoch{number: e, last: c.top}
	}
	found := j.slot(c.number)
	return true, s.down(c.number, found.parent, found.merged)
}

// down moves the cursor below block n.
func (s *Sync) down(n uint64, parent common.Hash, merged bool) error {
	c := &s.cursor
	c.merged = merged
	if !merged && s.floor > 0 && s.epochs[epochOf(n)] != nil && !s.hasTotal(s.floor) {
		if err := s.beforeMerge(n); err != nil {
			return err
		}
	}
	if n == epochOf(n)*history.EpochSize {
		if ep := s.epochs[epochOf(n)]; ep != nil {
			ep.first, ep.files, ep.whole, ep.beforeMerge = n, c.passed, true, !merged
		}
		c.passed, c.top = nil, n-1
	}
	if n > 0 {
		c.number, c.want = n-1, parent
	}
	if n > s.floor {
		return nil
	}
	c.done = true
	if n > 0 { // the download may end on a file
		if _, err := s.fileOf(n-1, parent); err != nil {
			return err
		}
	}
	return s.checkTotals()
}

// beforeMerge returns the error that the file with block n cannot be written.
func (s *Sync) beforeMerge(n uint64) error {
	if s.cfg.HeadersOnly {
		return nil
	}
	next := (epochOf(n) + 1) * history.EpochSize
	return fmt.Errorf("block %d: %w: download from block 0, onto files that have them, or from block %d", n, ErrBeforeMerge, next)
}

// checkTotals returns an error if a file waits for a total difficulty that no other will have.
func (s *Sync) checkTotals() error {
	for e, ep := range s.epochs {
		if ep.beforeMerge && !s.hasTotal(ep.first) && s.epochs[e-1] == nil {
			return s.beforeMerge(ep.first)
		}
	}
	return nil
}

// hasTotal reports whether the total difficulty before block n is known.
func (s *Sync) hasTotal(n uint64) bool { return n == 0 || s.totalAt(n-1) != nil || s.totalAt(n) != nil }

// totalAt returns a file with the total difficulty with block n, or nil.
func (s *Sync) totalAt(n uint64) *file {
	for i := range s.files {
		if f := &s.files[i]; f.totalDifficulty && f.contains(n) {
			return f
		}
	}
	return nil
}

// totalBefore returns the total difficulty before block n, or nil for block 0.
func (s *Sync) totalBefore(n uint64) (*big.Int, error) {
	if n == 0 {
		return nil, nil
	}
	f, at := s.totalAt(n-1), n-1
	if f == nil {
		f, at = s.totalAt(n), n
	}
	if f == nil {
		return nil, fmt.Errorf("block %d: %w", n, ErrBeforeMerge)
	}
	opened, err := history.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	total, err := opened.TotalDifficulty(at)
	if err != nil || at < n {
		return total, err
	}
	h, _, err := opened.Header(n)
	if err != nil {
		return nil, err
	}
	return total.Sub(total, h.Difficulty), nil
}

// addHeaders takes headers from the cursor on down.
func (s *Sync) addHeaders(r *Request, headers []verify.Header) (taken int, err error) {
	if s.cursor.done || s.cursor.want != r.Query.Origin.Hash {
		return 0, nil
	}
	for i := range headers {
		h := &headers[i]
		if !s.cursor.known {
			s.begin(h.Number)
		}
		if h.Hash != s.cursor.want || h.Number != s.cursor.number {
			break
		}
		if err := s.keep(h.Number, h.Encoded); err != nil {
			return taken, s.fail(err)
		}
		taken++
		if err := s.walk(); err != nil {
			return taken, err
		}
		if s.cursor.done || s.cursor.want != h.Parent() || s.held() {
			break // the rest is in a file or a journal, or is asked for later
		}
	}
	return taken, nil
}

// keep writes the header of block n, at the cursor, to the journal, unless a file has it.
func (s *Sync) keep(n uint64, item []byte) error {
	f, err := s.fileOf(n, s.cursor.want)
	if err != nil || f != nil || n == 0 {
		return err
	}
	j, err := s.journal(epochOf(n))
	if err != nil {
		return err
	}
	return j.add(chain.Header, n, s.cursor.want, item)
}
