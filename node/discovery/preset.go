package discovery

import (
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/params"
)

// Network contains the entry points of a network: the first nodes to ask, and the DNS lists
// (EIP-1459) of its nodes.
type Network struct {
	Name        string
	Bootnodes   []*enode.Node // for discovery v4
	BootnodesV5 []*enode.Node
	DNS         []string // enrtree:// URLs
}

// Presets contains the names that [Preset] accepts. The first one is the default.
var Presets = []string{"mainnet", "sepolia", "hoodi", "none"}

// Preset returns a public network by its name, with go-ethereum's values. "none" is a network
// without bootnodes and lists.
func Preset(name string) (Network, error) {
	n := Network{Name: name}
	var (
		urls    []string
		genesis common.Hash
		err     error
	)
	switch name {
	case "none":
		return n, nil
	case "mainnet":
		urls, genesis = params.MainnetBootnodes, params.MainnetGenesisHash
	case "sepolia":
		urls, genesis = params.SepoliaBootnodes, params.SepoliaGenesisHash
	case "hoodi":
		urls, genesis = params.HoodiBootnodes, params.HoodiGenesisHash
	default:
		return n, fmt.Errorf("unknown network %q, known networks: %s", name, strings.Join(Presets, ", "))
	}
	if n.Bootnodes, err = parseNodes(urls); err != nil {
		return n, err
	}
	// Discovery v5 is one network for all chains.
	if n.BootnodesV5, err = parseNodes(params.V5Bootnodes); err != nil {
		return n, err
	}
	if list := params.KnownDNSNetwork(genesis, "all"); list != "" {
		n.DNS = []string{list}
	}
	return n, nil
}

// ParseNodes parses a list of enode and ENR URLs separated by commas, as an operator gives it for
// bootnodes, and checks it with [CheckBootnodes]. Spaces and empty entries are ignored.
func ParseNodes(list string) ([]*enode.Node, error) { return parseNodes(strings.Split(list, ",")) }

func parseNodes(urls []string) ([]*enode.Node, error) {
	var nodes []*enode.Node
	for _, url := range urls {
		if url = strings.TrimSpace(url); url == "" {
			continue
		}
		n, err := enode.Parse(enode.ValidSchemes, url)
		if err != nil {
			return nil, fmt.Errorf("bootnode %q: %w", url, err)
		}
		if err := checkBootnode(n); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
