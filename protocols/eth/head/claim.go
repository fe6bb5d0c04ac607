package head

import (
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

const (
	// memory is how many slots a claim counts.
	memory = 4
	// behind is how many blocks a peer may lack at the end of a branch before it contradicts it.
	behind = 8
	// future is how far ahead of the clock the time of a header may be.
	future = 15 * time.Second
	// maxBranch is how many blocks of the head's branch are remembered, as many as the window has.
	maxBranch = 256
)

// claim is what a peer, or a source, says the chain is.
type claim struct {
	name    string   // of a source, "" for peers
	peer    enode.ID // of peers
	network netip.Prefix
	trusted bool // a trusted peer, or a source
	stale   bool // a source that may be behind: it sets a head, and contradicts none
	at      time.Time
	headers []verify.Header // by number, each the parent of the next
	from    uint64          // number that was asked for
	open    bool            // there may be more after the last header
}

// end returns the number of the last block that the claim has. A peer without the block that was
// asked for is taken to have the one before.
func (c *claim) end() uint64 {
	if n := len(c.headers); n > 0 {
		return c.headers[n-1].Number
	}
	return c.from - min(c.from, 1)
}

// hash returns the hash of a block; ok is false if the claim does not say.
func (c *claim) hash(n uint64) (h common.Hash, ok bool) {
	if len(c.headers) == 0 || n < c.headers[0].Number || n > c.end() {
		return h, false
	}
	return c.headers[n-c.headers[0].Number].Hash, true
}

// branch is a run of blocks, each the parent of the next.
type branch struct {
	first  uint64
	hashes []common.Hash
}

func (b *branch) hash(n uint64) (h common.Hash, ok bool) {
	if n < b.first || n-b.first >= uint64(len(b.hashes)) {
		return h, false
	}
	return b.hashes[n-b.first], true
}

// with returns the branch that ends with some headers: with the blocks of b before them if they
// are on it, otherwise the headers alone.
func (b branch) with(headers []verify.Header) branch {
	for i := range headers {
		h := &headers[i]
		if h.Number == 0 {
			continue
		}
		if parent, ok := b.hash(h.Number - 1); ok && parent == h.Parent() {
			merged := branch{first: b.first, hashes: append([]common.Hash{}, b.hashes[:h.Number-b.first]...)}
			return merged.add(headers[i:])
		}
	}
	if len(headers) == 0 {
		return branch{}
	}
	return branch{first: headers[0].Number}.add(headers)
}

func (b branch) add(headers []verify.Header) branch {
	for i := range headers {
		b.hashes = append(b.hashes, headers[i].Hash)
	}
	if cut := len(b.hashes) - maxBranch; cut > 0 {
		b.first, b.hashes = b.first+uint64(cut), b.hashes[cut:]
	}
	return b
}

// extend puts the blocks of a claim before those of the branch, if the claim has them. It reports
// whether there were some.
func (b *branch) extend(c *claim) bool {
	if len(b.hashes) == 0 || len(c.headers) == 0 || c.headers[0].Number >= b.first {
		return false
	}
	if hash, ok := c.hash(b.first); !ok || hash != b.hashes[0] {
		return false
	}
	before := c.headers[:b.first-c.headers[0].Number]
	hashes := make([]common.Hash, 0, len(before)+len(b.hashes))
	for i := range before {
		hashes = append(hashes, before[i].Hash)
	}
	b.first, b.hashes = c.headers[0].Number, append(hashes, b.hashes...)
	return true
}

// differs returns the lowest number of a block that is another in the branch than in the claim;
// ok is false if there is none.
func (c *claim) differs(b *branch) (n uint64, ok bool) {
	for i := range c.headers {
		h := &c.headers[i]
		if theirs, known := b.hash(h.Number); known && theirs != h.Hash {
			return h.Number, true
		}
	}
	return 0, false
}
