package history

import (
	"cmp"
	"errors"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// with returns the files that have a part of block n.
func (a *Archive) with(p chain.Part, n uint64) (found []*member) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	end := sort.Search(len(a.files), func(i int) bool { return a.files[i].first > n })
	for _, m := range slices.Backward(a.files[:end]) {
		if n-m.first >= a.longest {
			break // neither this file nor one before it reaches n
		}
		if m.contains(n) && m.has[p] {
			found = append(found, m)
		}
	}
	return found
}

// Read returns a part of block n as RLP. The caller must not change it. The error is chain.ErrAbsent if
// no file has it. A file that turns out to be corrupt is logged and left out.
func (a *Archive) Read(p chain.Part, n uint64) ([]byte, error) {
	if n >= maxNumber {
		return nil, chain.ErrAbsent
	}
	parts, key := a.recent.Load().parts, partKey(p, n)
	if b, ok := parts.Get(key); ok {
		return b, nil
	}
	for _, m := range a.with(p, n) {
		b, err := a.readIn(m, p, n)
		switch {
		case err == nil:
			parts.Add(key, b)
			return b, nil
		case !errors.Is(err, chain.ErrAbsent):
			a.leaveOut(m.path, err)
		}
	}
	return nil, chain.ErrAbsent
}

func (a *Archive) readIn(m *member, p chain.Part, n uint64) ([]byte, error) {
	h, err := a.handles.take(m.path)
	if err != nil {
		return nil, err
	}
	defer a.handles.give(h)
	return h.file.Read(p, n)
}

func (a *Archive) hashIn(m *member, n uint64) (common.Hash, error) {
	b, err := a.readIn(m, chain.Header, n)
	return crypto.Keccak256Hash(b), err
}

// hash returns the hash of block n, and the first file that has it.
func (a *Archive) hash(n uint64) (common.Hash, string, error) {
	files := a.with(chain.Header, n)
	if len(files) == 0 {
		return common.Hash{}, "", chain.ErrAbsent
	}
	hash, err := a.hashIn(files[0], n)
	return hash, files[0].path, err
}

// header returns the header of block n, and the first file that has it.
func (a *Archive) header(n uint64) (*types.Header, string, error) {
	files := a.with(chain.Header, n)
	if len(files) == 0 {
		return nil, "", chain.ErrAbsent
	}
	b, err := a.readIn(files[0], chain.Header, n)
	if err != nil {
		return nil, "", err
	}
	h := new(types.Header)
	return h, files[0].path, rlp.DecodeBytes(b, h)
}

// Number returns the number of the block with a hash; ok is false if no file has it.
func (a *Archive) Number(hash common.Hash) (number uint64, ok bool) {
	numbers := a.recent.Load().numbers
	if n, ok := numbers.Get(hash); ok {
		return n, true
	}
	var candidates []uint64
	a.mu.RLock()
	a.index.find(prefixOf(hash), func(n uint64) bool {
		candidates = append(candidates, n)
		return false
	})
	a.mu.RUnlock()
	for _, n := range candidates {
		if b, err := a.Read(chain.Header, n); err == nil && crypto.Keccak256Hash(b) == hash {
			numbers.Add(hash, n)
			return n, true
		}
	}
	return 0, false
}

// Highest returns the highest number of a block that has a part; ok is false if there is none.
func (a *Archive) Highest(p chain.Part) (number uint64, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, m := range a.files {
		if m.has[p] {
			number, ok = max(number, m.first+m.count-1), true
		}
	}
	return number, ok
}

// Run returns the lowest number from which on all blocks up to last have all the parts; ok is
// false if last itself does not.
func (a *Archive) Run(last uint64, parts ...chain.Part) (first uint64, ok bool) {
	for n := last; ; n = first - 1 {
		low := uint64(0)
		for _, p := range parts {
			files := a.with(p, n)
			if len(files) == 0 {
				return first, ok
			}
			reach := slices.MinFunc(files, func(x, y *member) int { return cmp.Compare(x.first, y.first) })
			low = max(low, reach.first)
		}
		first, ok = low, true
		if first == 0 {
			return first, ok
		}
	}
}
