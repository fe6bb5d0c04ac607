package history

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

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
// no file has it, or none that has it can be read at the moment; that is logged. A file that turns
// out to be corrupt is logged and left out. Header, body, receipts and block access list are what
// was indexed, or go with that header.
func (a *Archive) Read(p chain.Part, n uint64) ([]byte, error) {
	if n >= maxNumber {
		return nil, chain.ErrAbsent
	}
	b, err := a.fetch(p, n)
	if err != nil && !errors.Is(err, chain.ErrAbsent) {
		a.logFailure("Reading a history file failed; the block is not available at the moment", "block", n, "err", err)
		return nil, chain.ErrAbsent
	}
	return b, err
}

// Recall implements serve.Recaller.
func (a *Archive) Recall(p chain.Part, n uint64) (b []byte, ok bool) {
	if n >= maxNumber {
		return nil, false
	}
	return a.recent.Load().parts.Get(partKey(p, n))
}

// RecallNumber implements serve.Recaller.
func (a *Archive) RecallNumber(hash common.Hash) (number uint64, ok bool) {
	return a.recent.Load().numbers.Get(hash)
}

// fetch is Read whose error may be one of the system.
func (a *Archive) fetch(p chain.Part, n uint64) ([]byte, error) {
	parts, key := a.recent.Load().parts, partKey(p, n)
	if b, ok := parts.Get(key); ok {
		return b, nil
	}
	err := chain.ErrAbsent
	for _, m := range a.with(p, n) {
		b, why := a.readChecked(m, p, n)
		switch {
		case why == nil:
			parts.Add(key, b)
			return b, nil
		case errors.Is(why, chain.ErrAbsent):
		case ofSystem(why):
			err = why
		default:
			a.drop(m, why)
		}
	}
	return nil, err
}

// pathOf returns the path of a file that has a part of block n, or "" if none has.
func (a *Archive) pathOf(p chain.Part, n uint64) string {
	for _, m := range a.with(p, n) {
		return m.path
	}
	return ""
}

// readIn reads a part of a block from a file. What it is is not checked.
func (a *Archive) readIn(m *member, p chain.Part, n uint64) ([]byte, error) {
	h, err := a.handles.take(m.path)
	if m.deleted(err) {
		return nil, fmt.Errorf("%s: missing for %v", m.path, deletedAfter)
	}
	if err != nil {
		return nil, err
	}
	defer a.handles.give(h)
	first, count := h.file.Span()
	if first != m.first || count < m.count || p != chain.AccessList && m.has[p] && !h.file.Has(p) {
		return nil, fmt.Errorf("%s: has other blocks than when it was indexed", m.path)
	}
	b, err := h.file.Read(p, n)
	if ofSystem(err) {
		a.handles.discard(h) // a handle of a network file system may be stale for ever
	}
	return b, err
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

// Has reports whether a file has a part of block n.
func (a *Archive) Has(p chain.Part, n uint64) bool { return len(a.with(p, n)) > 0 }

// Last returns the highest block of the files; ok is false if there are none. It reads no file.
func (a *Archive) Last() (last chain.Block, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, m := range a.files {
		if !ok || m.last.Number > last.Number {
			last, ok = m.last, true
		}
	}
	return last, ok
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
