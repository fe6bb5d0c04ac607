package eth

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// PeerInfo is what admin_peers shows of a link.
type PeerInfo struct {
	Version uint         `json:"version"`
	Range   *chain.Range `json:"range,omitempty"` // not in eth/68
}

func peerInfo(l *protocols.Link) any {
	return PeerInfo{Version: l.Version(), Range: protocols.State[peer](l).rng.Load()}
}

// NodeInfo is what admin_nodeInfo shows of the node. Network, Genesis and Head are go-ethereum's
// fields.
type NodeInfo struct {
	Network uint64                `json:"network"` // ID
	Genesis common.Hash           `json:"genesis"`
	Head    common.Hash           `json:"head"`
	Range   chain.Range           `json:"range"`
	History *history.ArchiveState `json:"history,omitempty"` // nil: the blocks are not from files
	Node    *execution.State      `json:"rpc,omitempty"`     // nil: no execution node is asked
}

func (e *Eth) nodeInfo() any {
	info := NodeInfo{
		Network: e.networkID(), Genesis: e.network.Genesis.Hash(), Range: e.view.Range(),
	}
	info.Head = info.Range.LatestHash
	if e.node != nil {
		s := e.node.State()
		info.Node = &s
	}
	if e.files != nil {
		s := e.files.State()
		info.History = &s
	}
	return info
}
