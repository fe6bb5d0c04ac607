package serve

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// Source has the blocks that are served. Its methods may be called from any goroutine.
type Source interface {
	// Number returns the number of the block with a hash, on the canonical chain; ok is false if there
	// is none.
	Number(hash common.Hash) (number uint64, ok bool)
	// Read returns a part of a block of the canonical chain as RLP, or chain.ErrAbsent. The caller
	// does not change it.
	Read(p chain.Part, number uint64) ([]byte, error)
	// Side returns the header of a block that is not on the canonical chain; ok is false if none with
	// that hash is known.
	Side(hash common.Hash) (header []byte, ok bool)
}

// Recaller is a Source that keeps in memory what it has read, or was given.
type Recaller interface {
	Source
	// RecallNumber and Recall are Number and Read without a wait: they return what is in memory. That ok
	// is false does not say that the Source does not have it.
	RecallNumber(hash common.Hash) (number uint64, ok bool)
	Recall(p chain.Part, number uint64) (part []byte, ok bool)
}

// Memory is a Source that has what another one has in memory, and waits for nothing. It is for one
// answer, in one goroutine.
type Memory struct {
	of     Recaller
	missed bool
}

// MemoryOf returns the memory of a Source.
func MemoryOf(src Recaller) *Memory { return &Memory{of: src} }

// Missed reports whether something was asked for that is not in memory: then the answer is not what the
// Source itself has.
func (m *Memory) Missed() bool { return m.missed }

// Number implements Source.
func (m *Memory) Number(hash common.Hash) (number uint64, ok bool) {
	number, ok = m.of.RecallNumber(hash)
	m.missed = m.missed || !ok
	return number, ok
}

// Read implements Source.
func (m *Memory) Read(p chain.Part, number uint64) ([]byte, error) {
	b, ok := m.of.Recall(p, number)
	if !ok {
		m.missed = true
		return nil, chain.ErrAbsent
	}
	return b, nil
}

// Side implements Source. A block that is not on the canonical chain is a miss, by its number.
func (m *Memory) Side(common.Hash) (header []byte, ok bool) { return nil, false }
