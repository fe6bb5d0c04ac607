package eth

import (
	"context"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// Config configures an [Eth]. The zero value of each field has a meaning.
type Config struct {
	// Network is the name of a public network, see chain.Networks. "": mainnet.
	Network string
	// Genesis is the path of a genesis file in go-ethereum's form, in place of Network.
	Genesis string
	// Chain is the network itself, in place of Network and Genesis.
	Chain *chain.Network
	// NetworkID is the ID that peers must have. Zero: the chain ID.
	NetworkID uint64
	// Versions are the versions to offer. Empty: 68 to 72.
	Versions []uint
	// History are files with blocks to serve, or directories with such files, see package history.
	History []string
	// Fill downloads what History lacks from its first block up to a few blocks below the head, into its
	// first directory. It is an error if there is none.
	Fill bool
	// Source has the blocks to serve, in place of History. Its owner says by View what the head is.
	Source serve.Source
	// RPC is where to ask an execution node for the head of the chain and for accounts: what go-ethereum's
	// rpc.Dial takes. It may have credentials. Empty: none is asked.
	RPC string
	// DialRPC connects to an execution node in place of RPC, such as one in the same process.
	DialRPC func(context.Context) (*rpc.Client, error)
	// Pool bounds what the pool of transactions takes in memory, in bytes. Zero: pool.DefaultBytes.
	Pool int
	// State has the accounts of senders, by which nonces and balances are checked. Nil: that is a
	// StateFile, or else that of the execution node. Without any of them nothing is known of senders, and
	// no transaction is sent to peers unasked.
	State pool.State
	// StateFile is the path of a state dump in go-ethereum's form, in place of State.
	StateFile string
	// NoBlobs has the node ask for no blob transactions, and keep none.
	NoBlobs bool
	// Custody are the columns of cells to fetch of blobs that the node does not fetch in full (EIP-8070). Empty: the
	// eight of the consensus specs' get_custody_groups for the node's ID.
	Custody []uint64
	// Upload and UploadPeer bound the answers to requests, in bytes a second for all links and for
	// each. Zero: no bound.
	Upload, UploadPeer int
}

// Versions returns the versions that this package speaks, the newest first.
func Versions() []uint { return []uint{eth72, eth71, eth70, eth69, eth68} }

// checkVersions returns an error if a version is not spoken.
func checkVersions(versions []uint) error {
	for _, v := range versions {
		if !slices.Contains(Versions(), v) {
			return fmt.Errorf("version %d: want some of %v", v, Versions())
		}
	}
	return nil
}

// network returns the network that the Config names.
func (c *Config) network() (*chain.Network, error) {
	switch {
	case c.Chain != nil:
		return c.Chain, nil
	case c.Genesis != "":
		return chain.ReadGenesis(c.Genesis)
	case c.Network == "":
		return chain.PublicNetwork(chain.Networks()[0])
	default:
		return chain.PublicNetwork(c.Network)
	}
}

// SetNetwork sets the Config's Network, which a Genesis goes before. It is for programs that know it
// after New, and before the node starts. It returns an error if there is neither.
func (e *Eth) SetNetwork(name string) error {
	e.cfg.Network = name
	if e.cfg.Genesis == "" && e.cfg.Chain == nil && !slices.Contains(chain.Networks(), name) {
		return fmt.Errorf("network %q has no known chain: want one of %v, or a genesis file (--eth.genesis)", name, chain.Networks())
	}
	return nil
}
