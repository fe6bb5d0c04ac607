package chain

import (
	"fmt"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// Network is a chain and the network of its nodes.
type Network struct {
	Name    string
	ID      uint64
	Config  *params.ChainConfig
	Genesis *types.Block
	Public  bool // one of Networks
}

// networks are the genesis blocks of the public networks by name.
var networks = map[string]func() *core.Genesis{
	"mainnet": core.DefaultGenesisBlock,
	"sepolia": core.DefaultSepoliaGenesisBlock,
	"hoodi":   core.DefaultHoodiGenesisBlock,
}

// Networks returns the names of the public networks.
func Networks() []string { return []string{"mainnet", "sepolia", "hoodi"} }

// PublicNetwork returns a public network by its name. It computes the genesis block, which takes
// some 50 ms for mainnet.
func PublicNetwork(name string) (*Network, error) {
	genesis, ok := networks[name]
	if !ok {
		return nil, fmt.Errorf("network %q: want one of %v", name, Networks())
	}
	n := NewNetwork(name, genesis())
	n.Public = true
	return n, nil
}

// NewNetwork returns the network of a genesis block whose Config has a chain ID.
func NewNetwork(name string, g *core.Genesis) *Network {
	return &Network{Name: name, ID: g.Config.ChainID.Uint64(), Config: g.Config, Genesis: g.ToBlock()}
}
