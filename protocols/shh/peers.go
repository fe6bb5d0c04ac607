package shh

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
)

// peer is what a node knows of the other end of one link. It outlives crashes of the
// link's actor, and is guarded by Whisper.mu.
type peer struct {
	announced announced
	link      *protocols.Link // the shared handle; nil before the handshake is done
	id        string
	minPoW    float64
	bloom     Bloom
	light     bool

	known       slotSet    // envelopes that it has
	behind      bool       // its outbox was full, and a Drained will come
	unannounced bool       // it does not know what this node demands, likewise
	limit       *allowance // a crash does not fill it again
	sent        uint64
	taken       uint64
	dropped     uint64
}

// announced is this node's demand as its status told it to a peer.
type announced struct {
	minPoW float64
	bloom  Bloom
}

// PeerInfo is what lists of peers show.
type PeerInfo struct {
	MinPoW   float64 `json:"minPoW"`
	Full     bool    `json:"fullNode"` // its bloom filter lets everything through
	Light    bool    `json:"light"`
	Trusted  bool    `json:"trusted"`
	Sent     uint64  `json:"envelopesSent"`
	Received uint64  `json:"envelopesReceived"`
	Dropped  uint64  `json:"envelopesDropped"` // beyond its rate
}

func (w *Whisper) peerInfo(l *protocols.Link) any {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := protocols.State[peer](l)
	if p.link == nil {
		return nil
	}
	return PeerInfo{
		MinPoW: p.minPoW, Full: p.bloom.Full(), Light: p.light, Trusted: w.trusts(p),
		Sent: p.sent, Received: p.taken, Dropped: p.dropped,
	}
}

func (w *Whisper) trusts(p *peer) bool {
	_, ok := w.trusted[p.id]
	return ok
}

func (w *Whisper) isTrusted(p *peer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trusts(p)
}

// peerID gives the ID that protocols.Peer has of a node.
func peerID(s string) (string, error) {
	var key *ecdsa.PublicKey
	if n, err := enode.Parse(enode.ValidSchemes, s); err == nil {
		key = n.Pubkey()
	} else if b, hexErr := hex.DecodeString(s); hexErr == nil && len(b) == 64 {
		if key, err = crypto.UnmarshalPubkey(append([]byte{4}, b...)); err != nil {
			return "", fmt.Errorf("peer %q: %w", s, err)
		}
	} else {
		return "", fmt.Errorf("peer %q: %w", s, err)
	}
	return hex.EncodeToString(crypto.FromECDSAPub(key)[1:]), nil
}

// ourStatus is what this node says of itself on a link first.
func (w *Whisper) ourStatus(l *protocols.Link) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := protocols.State[peer](l)
	p.announced = announced{w.demand.minPoW, w.demand.bloom}
	return Status{Version: version, MinPoW: powRequirement(p.announced.minPoW), Bloom: p.announced.bloom[:], Light: w.light}
}

// checkStatus says why there is no talking to a remote.
func (w *Whisper) checkStatus(_ *protocols.Link, s *Status) error {
	if s.Version != version {
		return fmt.Errorf("%w: whisper version %d, want %d", protocols.DiscIncompatibleVersion, s.Version, version)
	}
	if _, err := s.MinPoW.value(); err != nil {
		return fmt.Errorf("%w: status: %w", protocols.DiscProtocolError, err)
	}
	if _, err := bloomOf(s.Bloom); err != nil {
		return fmt.Errorf("%w: status: %w", protocols.DiscProtocolError, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.Light && w.light {
		return fmt.Errorf("%w: two light nodes have nothing to tell each other", protocols.DiscUselessPeer)
	}
	return nil
}

// enter brings in a peer whose status is good, and sends it what it wants of the pool.
func (w *Whisper) enter(l *protocols.Link) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := protocols.State[peer](l)
	if p.link != nil {
		return p // the actor is another one, the link is not
	}
	s := protocols.StatusOf[Status](l)
	p.link, p.id, p.light, p.limit = l.Shared(), l.Peer().ID, s.Light, newAllowance(w.rate, time.Now())
	p.minPoW, _ = s.MinPoW.value() // checkStatus found both to be good
	p.bloom, _ = bloomOf(s.Bloom)
	w.peers[p] = struct{}{}
	close(w.arrived)
	w.arrived = make(chan struct{})
	if p.announced != (announced{w.demand.minPoW, w.demand.bloom}) {
		w.tell(p) // it changed while the handshake was under way
	}
	w.catchUp(p)
	return p
}

func (w *Whisper) leave(p *peer) {
	if p == nil {
		return // the handshake has failed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.peers, p)
}

// tellPeers sends a new demand to all peers.
func (w *Whisper) tellPeers(msg any) {
	for p := range w.peers {
		if !p.unannounced {
			w.try(p, p.link.Send(msg))
		}
	}
}

// try notes that a peer does not know what this node demands, because its outbox is full.
func (w *Whisper) try(p *peer, err error) {
	if errors.Is(err, protocols.ErrOutboxFull) {
		p.unannounced = true
	}
}

// tell sends a peer all that this node demands.
func (w *Whisper) tell(p *peer) {
	p.unannounced = false
	w.try(p, p.link.Send(powRequirement(w.demand.minPoW)))
	w.try(p, p.link.Send(BloomFilter(w.demand.bloom[:])))
}

// drained goes on where a full outbox ended it.
func (w *Whisper) drained(p *peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.behind = false
	if p.unannounced {
		w.tell(p)
	}
	w.catchUp(p)
}
