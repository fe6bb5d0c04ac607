package window

import (
	"cmp"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

const (
	// Headers is how many headers the window has, and maxBlocks of how many of them it has the parts.
	Headers, maxBlocks = 256, 64
	// maxSides is how many headers of branches that were left are kept.
	maxSides = 64
	// defaultBytes is the size of all parts. 64 full blocks of 60 million gas have some 30 MB.
	defaultBytes = 128 << 20
)

// Below is what lies below the window: files. They may overlap with it.
type Below interface {
	serve.Source
	// Run returns the lowest number from which on all blocks up to last have all the parts; ok is false
	// if last itself does not.
	Run(last uint64, parts ...chain.Part) (first uint64, ok bool)
}

// Config configures a Window.
type Config struct {
	Below Below // nil: none
	Bytes int   // bound of the size of bodies and receipts. Zero: 128 MiB
	// AccessLists says that the window has block access lists, too.
	AccessLists bool
}

// Window is the end of the chain.
type Window struct {
	cfg    Config
	recall serve.Recaller // Below, if it is one; else nil
	parts  []chain.Part

	mu      sync.RWMutex
	blocks  []*block // by number, each the parent of the next; the last is the head
	numbers map[common.Hash]uint64
	sides   map[common.Hash]*verify.Header
	sideAge []common.Hash // the oldest first
	bytes   int
}

// block is a block of the window.
type block struct {
	verify.Header
	parts   [chain.Parts][]byte
	asked   [chain.Parts]bool
	dropped bool // its parts have no room
}

// New returns a Window without a head.
func New(cfg Config) *Window {
	cfg.Bytes = cmp.Or(cfg.Bytes, defaultBytes)
	w := &Window{cfg: cfg, parts: []chain.Part{chain.Body, chain.Receipts}, numbers: map[common.Hash]uint64{}, sides: map[common.Hash]*verify.Header{}}
	w.recall, _ = cfg.Below.(serve.Recaller)
	if cfg.AccessLists {
		w.parts = append(w.parts, chain.AccessList)
	}
	return w
}

// Change is what a new head has changed.
type Change struct {
	Added   []verify.Header // by number
	Removed []verify.Header // that are not canonical any more, by number
	// Excluded are the transactions of Removed, where their bodies were known.
	Excluded []Inclusion
}

// Inclusion says which transactions a block has.
type Inclusion struct {
	Block        verify.Header
	Transactions []common.Hash
}

// SetHead makes the last of some headers the head. Each is the parent of the next. If the first is
// neither in the window nor the child of one of its blocks, the window begins anew with them.
func (w *Window) SetHead(headers []verify.Header) (c Change) {
	if len(headers) == 0 {
		return c
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	keep := w.join(headers)
	for len(w.blocks) > keep {
		last := w.blocks[len(w.blocks)-1]
		w.blocks = w.blocks[:len(w.blocks)-1]
		w.forget(last)
		w.addSide(&last.Header)
		c.Removed = append(c.Removed, last.Header)
		if body := last.parts[chain.Body]; body != nil {
			c.Excluded = append(c.Excluded, inclusion(last, body))
		}
		w.dropParts(last)
	}
	slices.Reverse(c.Removed)
	slices.Reverse(c.Excluded)
	for _, h := range headers {
		if len(w.blocks) > 0 && h.Number <= w.head().Number {
			continue
		}
		w.blocks = append(w.blocks, &block{Header: h})
		w.numbers[h.Hash] = h.Number
		w.removeSide(h.Hash)
		c.Added = append(c.Added, h)
	}
	w.trim()
	return c
}

// join returns how many of the window's blocks stay below some headers, the last of which is to be
// the head.
func (w *Window) join(headers []verify.Header) int {
	if len(w.blocks) == 0 {
		return 0
	}
	first := w.blocks[0].Number
	for i := len(headers) - 1; i >= 0; i-- {
		h := &headers[i]
		if b := w.at(h.Number); b != nil && b.Hash == h.Hash {
			return int(h.Number-first) + 1
		}
		if h.Number == 0 {
			continue
		}
		if b := w.at(h.Number - 1); b != nil && b.Hash == h.Parent() {
			return int(h.Number - first)
		}
	}
	return 0
}

// PutBelow takes headers that NeedHeaders has asked for, by descending number. Those that do not
// continue the window are left out.
func (w *Window) PutBelow(headers []verify.Header) (added int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range headers {
		if len(w.blocks) == 0 || len(w.blocks) >= Headers || h.Hash != w.blocks[0].Parent() {
			continue
		}
		w.blocks = slices.Insert(w.blocks, 0, &block{Header: h})
		w.numbers[h.Hash] = h.Number
		added++
	}
	return added
}

// trim forgets what lies before the window.
func (w *Window) trim() {
	for len(w.blocks) > Headers {
		w.dropParts(w.blocks[0])
		w.forget(w.blocks[0])
		w.blocks[0] = nil
		w.blocks = w.blocks[1:]
	}
	for i := range max(0, len(w.blocks)-maxBlocks) {
		w.dropParts(w.blocks[i])
	}
}

func (w *Window) forget(b *block) { delete(w.numbers, b.Hash) }

// dropParts forgets the parts of a block.
func (w *Window) dropParts(b *block) {
	for p := range b.parts {
		w.bytes -= len(b.parts[p])
		b.parts[p], b.asked[p] = nil, false
	}
}

func (w *Window) head() *block { return w.blocks[len(w.blocks)-1] }

// at returns the block with a number, or nil.
func (w *Window) at(n uint64) *block {
	if len(w.blocks) == 0 || n < w.blocks[0].Number || n > w.head().Number {
		return nil
	}
	return w.blocks[n-w.blocks[0].Number]
}

func (w *Window) addSide(h *verify.Header) {
	if _, ok := w.sides[h.Hash]; ok {
		return
	}
	if len(w.sideAge) >= maxSides {
		delete(w.sides, w.sideAge[0])
		w.sideAge = w.sideAge[1:]
	}
	w.sides[h.Hash] = h
	w.sideAge = append(w.sideAge, h.Hash)
}

func (w *Window) removeSide(hash common.Hash) {
	if _, ok := w.sides[hash]; !ok {
		return
	}
	delete(w.sides, hash)
	w.sideAge = slices.DeleteFunc(w.sideAge, func(h common.Hash) bool { return h == hash })
}

// Bytes returns the size of all parts.
func (w *Window) Bytes() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.bytes
}
