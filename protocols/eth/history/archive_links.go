package history

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// checkLinks returns an error if the blocks of a file are not those of the files before it. An error
// that is of the system says that another file could not be read.
func (a *Archive) checkLinks(m *member, w *walked) error {
	if err := a.checkGenesis(m, w); err != nil {
		return err
	}
	if m.first > 0 {
		b, err := a.fetch(chain.Header, m.first-1)
		if hash := crypto.Keccak256Hash(b); err == nil && hash != w.parent {
			return fmt.Errorf("block %d: its parent is %v, but %v in %s", m.first, w.parent, hash, a.pathOf(chain.Header, m.first-1))
		}
		if err != nil && !errors.Is(err, chain.ErrAbsent) {
			return err
		}
	}
	end := m.first + m.count
	b, err := a.fetch(chain.Header, end)
	if err == nil {
		h := new(types.Header)
		if err := rlp.DecodeBytes(b, h); err != nil {
			return fmt.Errorf("header of block %d in %s: %w", end, a.pathOf(chain.Header, end), err)
		}
		if h.ParentHash != w.last.Hash {
			return fmt.Errorf("block %d is %v, but %v is the parent of the next in %s", end-1, w.last.Hash, h.ParentHash, a.pathOf(chain.Header, end))
		}
	}
	if err != nil && !errors.Is(err, chain.ErrAbsent) {
		return err
	}
	return a.checkOverlap(m, w)
}

func (a *Archive) checkGenesis(m *member, w *walked) error {
	var hash common.Hash
	switch m.first {
	case 0:
		b, err := a.readIn(m, chain.Header, 0)
		if err != nil {
			return err
		}
		hash = crypto.Keccak256Hash(b)
	case 1:
		hash = w.parent
	default:
		return nil
	}
	if hash != a.cfg.Genesis {
		return fmt.Errorf("genesis block %v, want %v", hash, a.cfg.Genesis)
	}
	return nil
}

// checkOverlap compares the blocks that other files have, too. A file that turns out to be corrupt
// here is left out, and it is not m.
func (a *Archive) checkOverlap(m *member, w *walked) error {
	a.mu.RLock()
	others := slices.Clone(a.files)
	a.mu.RUnlock()
	for _, o := range others {
		err := a.compare(m, w, o)
		var theirs *othersFault
		switch {
		case err == nil:
		case errors.As(err, &theirs) && !ofSystem(err):
			a.drop(o, theirs.err)
		default:
			return err
		}
	}
	return nil
}

// othersFault is an error of reading a file that another is compared with.
type othersFault struct{ err error }

func (f *othersFault) Error() string { return f.err.Error() }
func (f *othersFault) Unwrap() error { return f.err }

// compare returns an error with the first block that is another in o.
func (a *Archive) compare(m *member, w *walked, o *member) error {
	from, to := max(m.first, o.first), min(m.first+m.count, o.first+o.count)
	if from >= to {
		return nil
	}
	// Blocks are linked by hashes: if the last ones are the same, all are.
	differs := func(n uint64) (theirs common.Hash, yes bool, err error) {
		b, err := a.readChecked(o, chain.Header, n)
		if err != nil {
			return theirs, false, &othersFault{err}
		}
		theirs = crypto.Keccak256Hash(b)
		return theirs, prefixOf(theirs) != w.prefixes[n-m.first], nil
	}
	if _, yes, err := differs(to - 1); err != nil || !yes {
		return err
	}
	for n := from; n < to; n++ {
		theirs, yes, err := differs(n)
		if err != nil {
			return err
		}
		if yes {
			return fmt.Errorf("block %d is another than in %s, %v", n, o.path, theirs)
		}
	}
	return nil
}
