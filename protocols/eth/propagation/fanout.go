package propagation

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// MaxPush is the size of a transaction in bytes up to which it is sent unasked, as in go-ethereum.
const MaxPush = 4 << 10

// Fanout chooses the peers that get transactions in full.
type Fanout struct{ secret [sha256.Size]byte }

// NewFanout returns the Fanout of a node. Remotes cannot foresee what it chooses.
func NewFanout() *Fanout {
	f := new(Fanout)
	rand.Read(f.secret[:]) // which never returns an error
	return f
}

// Chosen is a set of peers, by their places in the list that they were chosen from.
type Chosen []bool

// Choose chooses ceil(sqrt(n)) of n peers by a hash of a secret, the peer and the sender. The choice is the
// same for all transactions of a sender, as long as the peers are, so that these arrive in order. The hash
// is cryptographic: with that of Go's maps some peers were chosen a third as often as others.
func (f *Fanout) Choose(peers []enode.ID, sender common.Address) Chosen {
	type scored struct {
		score uint64
		place int
	}
	scores := make([]scored, len(peers))
	var input [sha256.Size + len(enode.ID{}) + common.AddressLength]byte
	copy(input[:], f.secret[:])
	copy(input[sha256.Size+len(enode.ID{}):], sender[:])
	for i, id := range peers {
		copy(input[sha256.Size:], id[:])
		sum := sha256.Sum256(input[:])
		scores[i] = scored{binary.BigEndian.Uint64(sum[:]), i}
	}
	slices.SortFunc(scores, func(a, b scored) int {
		if a.score < b.score {
			return -1
		}
		return 1
	})
	chosen := make(Chosen, len(peers))
	for _, s := range scores[:int(math.Ceil(math.Sqrt(float64(len(peers)))))] {
		chosen[s.place] = true
	}
	return chosen
}

// Pushable reports whether a transaction may be sent unasked to peers that are chosen for it.
func Pushable(out pool.Outgoing) bool {
	return out.Scope == pool.Push && out.Tx.Type() != types.BlobTxType && out.Tx.Size(0) <= MaxPush
}

// Peer is a peer that transactions go to.
type Peer struct {
	ID    enode.ID
	Queue *Queue
}

// Spread puts transactions into the queues of peers.
func (f *Fanout) Spread(peers []Peer, txs []pool.Outgoing) {
	ids := make([]enode.ID, len(peers))
	for i, p := range peers {
		ids[i] = p.ID
	}
	var chosen Chosen
	var sender common.Address
	for _, out := range txs {
		if chosen == nil || out.Tx.Sender() != sender {
			sender = out.Tx.Sender()
			chosen = f.Choose(ids, sender)
		}
		pushable := Pushable(out)
		for i, p := range peers {
			p.Queue.Add(out.Tx.Hash(), pushable && chosen[i])
		}
	}
}
