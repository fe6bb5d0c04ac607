package head_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"
	"go.uber.org/goleak"

	"github.com/troupe-p2p/troupe/protocols/eth/head"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	slot   = 12 * time.Second
	height = 300
)

var began = time.Unix(1_700_000_000, 0)

// branches are chains by name: a is the longest; b leaves it after block 100, c after block 105, and
// f, which was made up, after block 102.
var branches = makeBranches()

func makeBranches() map[string][]verify.Header {
	a := grow(nil, "a", height)
	return map[string][]verify.Header{
		"a": a, "b": grow(a[:101], "b", height), "c": grow(a[:106], "c", height), "f": grow(a[:103], "f", height), "z": grow(nil, "z", height),
	}
}

func grow(chain []verify.Header, extra string, to uint64) []verify.Header {
	chain = slices.Clone(chain)
	for n := uint64(len(chain)); n <= to; n++ {
		f := &types.Header{Number: new(big.Int).SetUint64(n), Difficulty: new(big.Int), Extra: []byte(extra), Time: uint64(began.Unix()) - 3600 + n}
		if n > 0 {
			f.ParentHash = chain[n-1].Hash
		}
		b, err := rlp.EncodeToBytes(f)
		if err != nil {
			panic(err)
		}
		h, err := verify.DecodeHeader(b)
		if err != nil {
			panic(err)
		}
		chain = append(chain, h)
	}
	return chain
}

func id(n int) (id enode.ID) {
	id[0], id[1] = 1, byte(n)
	return id
}

// address returns an address of one network for each n.
func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n), 1}) }

// says is what a peer has: a branch up to a number.
type says struct {
	branch  string
	to      uint64
	network int  // 0: its own
	trusted bool // or static
	silent  bool
}

// world has peers that answer queries by what they have.
type world struct {
	e     *head.Election
	now   time.Time
	peers []says
	asked []int
}

func newWorld(peers ...says) *world {
	w := &world{e: head.New(slot), now: began, peers: peers}
	for i, p := range peers {
		w.join(i, p)
	}
	return w
}

func (w *world) join(i int, p says) {
	network := p.network
	if network == 0 {
		network = 100 + i
	}
	w.e.Join(head.Peer{ID: id(i), Addr: address(network), Trusted: p.trusted, Latest: p.to, Head: branches[p.branch][p.to].Hash})
}

// round lets all peers that are asked answer, and a slot pass.
func (w *world) round() head.Decision {
	w.asked = nil
	for _, q := range w.e.Ask(w.now) {
		i := int(q.Peer[1])
		w.asked = append(w.asked, i)
		if p := w.peers[i]; !p.silent {
			w.e.Answer(w.now, q.Peer, q.Query, p.answer(q.Query))
		}
	}
	d := w.e.Decide(w.now)
	w.now = w.now.Add(slot)
	return d
}

func (p says) answer(q serve.HeadersQuery) []verify.Header {
	chain := branches[p.branch][:p.to+1]
	from := q.Origin.Number
	if q.Origin.Hash != (common.Hash{}) {
		from = uint64(slices.IndexFunc(chain, func(h verify.Header) bool { return h.Hash == q.Origin.Hash }))
	}
	if from >= uint64(len(chain)) {
		return nil
	}
	return chain[from:min(from+q.Amount, uint64(len(chain)))]
}

// name says which block a header is.
func name(h *verify.Header) string {
	if h == nil {
		return "none"
	}
	return fmt.Sprintf("%s%d", h.Fields.Extra, h.Number)
}
