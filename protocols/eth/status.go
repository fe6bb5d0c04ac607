package eth

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/forkid"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// The reasons to refuse a status. The error of a link has one of them, and the values.
var (
	ErrNetwork     = errors.New("another network")
	ErrVersion     = errors.New("another version")
	ErrGenesis     = errors.New("another genesis block")
	ErrForkStale   = errors.New("the remote has missed a fork")
	ErrForkForeign = errors.New("the remote is on another chain, or this node has missed a fork")
)

// identity has the fields that the statuses of all versions have.
type identity struct {
	version, network uint64
	genesis          common.Hash
	fork             forkid.ID
}

func (e *Eth) networkID() uint64 {
	if e.cfg.NetworkID != 0 {
		return e.cfg.NetworkID
	}
	return e.network.ID
}

func (e *Eth) identity(l *protocols.Link) identity {
	return identity{
		version: uint64(l.Version()), network: e.networkID(),
		genesis: e.network.Genesis.Hash(), fork: e.view.ForkID(),
	}
}

// check returns why a remote with that identity is refused, nil if it is not.
func (e *Eth) check(l *protocols.Link, theirs identity) error {
	ours := e.identity(l)
	refuse := func(why error, got, want any) error {
		return fmt.Errorf("%w: %w: %v, want %v", protocols.DiscUselessPeer, why, got, want)
	}
	switch {
	case theirs.network != ours.network:
		return refuse(ErrNetwork, theirs.network, ours.network)
	case theirs.version != ours.version:
		return refuse(ErrVersion, theirs.version, ours.version)
	case theirs.genesis != ours.genesis:
		return refuse(ErrGenesis, theirs.genesis, ours.genesis)
	}
	switch err := e.view.CheckForkID(theirs.fork); {
	case errors.Is(err, forkid.ErrRemoteStale):
		return refuse(ErrForkStale, forkText(theirs.fork), forkText(ours.fork))
	case err != nil:
		return refuse(ErrForkForeign, forkText(theirs.fork), forkText(ours.fork))
	}
	return nil
}

func forkText(id forkid.ID) string { return fmt.Sprintf("%x/%d", id.Hash, id.Next) }

func (e *Eth) ourStatus(l *protocols.Link) Status {
	id, r := e.identity(l), e.view.Range()
	protocols.State[peer](l).told.Store(&r)
	return Status{
		Version: id.version, NetworkID: id.network, Genesis: id.genesis, ForkID: id.fork,
		Earliest: r.Earliest, Latest: r.Latest, LatestHash: r.LatestHash,
	}
}

func (e *Eth) checkStatus(l *protocols.Link, s *Status) error {
	if err := e.check(l, identity{s.Version, s.NetworkID, s.Genesis, s.ForkID}); err != nil {
		return err
	}
	return checkRange(s.Range())
}

// Range returns the blocks that the remote serves.
func (s *Status) Range() chain.Range {
	return chain.Range{Earliest: s.Earliest, Latest: s.Latest, LatestHash: s.LatestHash}
}

// checkRange refuses a range of a remote that is none, with a breach of protocol.
func checkRange(r chain.Range) error {
	if err := r.Check(); err != nil {
		return fmt.Errorf("%w: %w", protocols.DiscProtocolError, err)
	}
	return nil
}

func (e *Eth) ourStatus68(l *protocols.Link) Status68 {
	id := e.identity(l)
	td := e.network.Config.TerminalTotalDifficulty
	if td == nil {
		td = new(big.Int)
	}
	return Status68{
		Version: id.version, NetworkID: id.network, TotalDifficulty: td,
		Head: e.view.Range().LatestHash, Genesis: id.genesis, ForkID: id.fork,
	}
}

func (e *Eth) checkStatus68(l *protocols.Link, s *Status68) error {
	return e.check(l, identity{s.Version, s.NetworkID, s.Genesis, s.ForkID})
}
