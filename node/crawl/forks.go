package crawl

import (
	"encoding/binary"
	"hash/crc32"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

// ForkID identifies a node's chain in the eth entry of its record (EIP-2124, EIP-2364).
type ForkID struct {
	Hash [4]byte // CRC32 over the genesis hash and the forks passed
	Next uint64  // block or time of the next fork; 0: no fork is known
}

// ethEntry is the eth entry of a record. Later versions may add fields.
type ethEntry struct {
	ForkID ForkID
	Rest   []rlp.RawValue `rlp:"tail"`
}

func (ethEntry) ENRKey() string { return "eth" }

// consensusEntry is the entry of a consensus client's record. Such a client doesn't use
// devp2p.
type consensusEntry struct{}

func (consensusEntry) ENRKey() string { return "eth2" }

// DecodeRLP accepts any value: only the presence of the entry matters.
func (*consensusEntry) DecodeRLP(s *rlp.Stream) error {
	_, err := s.Raw()
	return err
}

// forkOf returns the fork ID in a node's record; ok is false if there is none.
func forkOf(n *enode.Node) (id ForkID, ok bool) {
	var e ethEntry
	if n.Load(&e) != nil {
		return id, false
	}
	return e.ForkID, true
}

// consensusOnly reports whether a node is a consensus client and not an execution client.
// Consensus clients use the same discovery v5 network, but libp2p on their TCP port.
func consensusOnly(n *enode.Node) bool {
	_, eth := forkOf(n)
	return !eth && n.Load(&consensusEntry{}) == nil
}

var _ enr.Entry = consensusEntry{}

// fork is one fork of a chain.
type fork struct {
	name string
	at   uint64 // block, or time for the later forks
}

// ForkNames returns the names of the forks of go-ethereum's chains by fork hash, for example
// "mainnet Prague".
func ForkNames() map[[4]byte]string {
	names := map[[4]byte]string{}
	for _, c := range []struct {
		name    string
		genesis common.Hash
		config  *params.ChainConfig
	}{
		{"mainnet", params.MainnetGenesisHash, params.MainnetChainConfig},
		{"sepolia", params.SepoliaGenesisHash, params.SepoliaChainConfig},
		{"hoodi", params.HoodiGenesisHash, params.HoodiChainConfig},
	} {
		sum := crc32.ChecksumIEEE(c.genesis[:])
		names[hashOf(sum)] = c.name + " genesis"
		for _, f := range forksOf(c.config) {
			sum = crc32.Update(sum, crc32.IEEETable, binary.BigEndian.AppendUint64(nil, f.at))
			names[hashOf(sum)] = c.name + " " + f.name
		}
	}
	return names
}

func hashOf(sum uint32) (hash [4]byte) {
	binary.BigEndian.PutUint32(hash[:], sum)
	return hash
}

// forksOf returns a chain's forks in their order: those by block, then those by time. Forks
// at the same block or time count as one, and forks at genesis don't count (EIP-2124).
func forksOf(c *params.ChainConfig) []fork {
	var blocks, times []fork
	v := reflect.ValueOf(*c)
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch at := v.Field(i).Interface().(type) {
		case *big.Int:
			if short, ok := strings.CutSuffix(name, "Block"); ok && at != nil {
				blocks = append(blocks, fork{short, at.Uint64()})
			}
		case *uint64:
			if short, ok := strings.CutSuffix(name, "Time"); ok && at != nil {
				times = append(times, fork{short, *at})
			}
		}
	}
	return append(inOrder(blocks), inOrder(times)...)
}

func inOrder(forks []fork) []fork {
	slices.SortStableFunc(forks, func(a, b fork) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	forks = slices.CompactFunc(forks, func(a, b fork) bool { return a.at == b.at })
	return slices.DeleteFunc(forks, func(f fork) bool { return f.at == 0 })
}
