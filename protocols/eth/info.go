package eth

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/execution"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
	"github.com/troupe-p2p/troupe/protocols/eth/pool"
)

// PeerInfo is what admin_peers shows of a link.
type PeerInfo struct {
	Version uint         `json:"version"`
	Range   *chain.Range `json:"range,omitempty"` // not in eth/68
	// Ignored is how many messages with transactions or announcements were not looked at, because too
	// many transactions of the remote were refused, or too much waited.
	Ignored uint64 `json:"ignored,omitempty"`
}

func peerInfo(l *protocols.Link) any {
	p := peerOf(l)
	return PeerInfo{Version: l.Version(), Range: rangeOf(l), Ignored: p.allowance.messagesDropped()}
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
	Pool    pool.Snapshot         `json:"pool"`
}

func (e *Eth) nodeInfo() any {
	info := NodeInfo{
		Network: e.networkID(), Genesis: e.network.Genesis.Hash(), Range: e.view.Range(),
		Pool: e.mempool.pool.State(),
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
