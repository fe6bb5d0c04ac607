package chain

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/forkid"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// Block says which block it is.
type Block struct {
	Number uint64
	Hash   common.Hash
	Time   uint64 // seconds since 1970
}

// Range is a range of blocks that a node has, with both ends.
type Range struct {
	Earliest   uint64      `json:"earliest"`
	Latest     uint64      `json:"latest"`
	LatestHash common.Hash `json:"latestHash"`
}

// ErrRange says that a range is none.
var ErrRange = errors.New("invalid block range")

// Check returns an error if the range is none: what a remote says of itself must not be kept
// without this.
func (r Range) Check() error {
	switch {
	case r.Earliest > r.Latest:
		return fmt.Errorf("%w: from %d to %d", ErrRange, r.Earliest, r.Latest)
	case r.LatestHash == (common.Hash{}):
		return fmt.Errorf("%w: the hash of block %d is zero", ErrRange, r.Latest)
	}
	return nil
}

// View is what this node says of its chain, the same to all: in its status, its updates and its
// record. All methods may be called from any goroutine.
type View struct {
	network *Network
	now     func() time.Time
	forks   uint64 // number of the last fork that is given by number
	filter  forkid.Filter

	mu      sync.Mutex
	head    Block // zero hash: not known
	first   uint64
	changed func()
}

// NewView returns the view of a node that knows the genesis block alone.
func NewView(n *Network, now func() time.Time) *View {
	v := &View{network: n, now: now, forks: lastForkByNumber(n.Config)}
	v.filter = forkid.NewFilter(v)
	return v
}

// lastForkByNumber returns the highest block number of a fork, found as package forkid does.
func lastForkByNumber(c *params.ChainConfig) (last uint64) {
	conf := reflect.ValueOf(c).Elem()
	for f, value := range conf.Fields() {
		if n, ok := value.Interface().(*big.Int); ok && n != nil && strings.HasSuffix(f.Name, "Block") {
			last = max(last, n.Uint64())
		}
	}
	return last
}

// Set sets the head, and the first block of the run without gaps that ends at it.
func (v *View) Set(head Block, first uint64) { v.set(head, first) }

// Reset makes the view that of a node that knows the genesis block alone.
func (v *View) Reset() { v.set(Block{}, 0) }

func (v *View) set(head Block, first uint64) {
	v.mu.Lock()
	v.head, v.first = head, min(first, head.Number)
	changed := v.changed
	v.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// OnChange sets the function that Set and Reset call at their end, in place of the one before. It must not
// block.
func (v *View) OnChange(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changed = f
}

// Head returns the head; ok is false while none is known.
func (v *View) Head() (head Block, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.head, v.head.Hash != (common.Hash{})
}

// Range returns the blocks that this node serves. Until a head is known it is the genesis block.
func (v *View) Range() Range {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.head.Hash == (common.Hash{}) {
		return Range{LatestHash: v.network.Genesis.Hash()}
	}
	return Range{Earliest: v.first, Latest: v.head.Number, LatestHash: v.head.Hash}
}

// Config, Genesis and CurrentHeader are what package forkid asks of a chain.
func (v *View) Config() *params.ChainConfig { return v.network.Config }

// Genesis returns block 0.
func (v *View) Genesis() *types.Block { return v.network.Genesis }

// CurrentHeader returns a header with the number and the time by which forks are counted as
// passed. The time is the later of the head's and the clock's: a node that lags knows by the clock
// that a fork has come. Before a head is known, forks by number count as passed on a public
// network, all of whose forks by number have.
func (v *View) CurrentHeader() *types.Header {
	head, known := v.Head()
	number := head.Number
	if !known && v.network.Public {
		number = v.forks
	}
	now := max(0, v.now().Unix())
	return &types.Header{Number: new(big.Int).SetUint64(number), Time: max(head.Time, uint64(now))}
}

// ForkID returns the node's fork id (EIP-2124).
func (v *View) ForkID() forkid.ID { return forkid.NewIDWithChain(v) }

// CheckForkID returns an error if a node with that fork id is on another chain, or has missed a
// fork: forkid.ErrLocalIncompatibleOrStale or forkid.ErrRemoteStale.
func (v *View) CheckForkID(id forkid.ID) error { return v.filter(id) }
