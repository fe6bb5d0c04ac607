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

// peer is a node's state about the other end of one link. It survives crashes of the
// link's actor. Whisper.mu guards it.
type peer struct {
	announced announced
	link      *protocols.Link // the shared handle; nil before the handshake is done
	id        string
	minPoW    float64
	bloom     Bloom
	light     bool

	known       slotSet    // envelopes that the peer has
	lagging     bool       // its outbox was full; the rest follows on Drained
	unannounced bool       // this node's demand could not be sent; it follows on Drained
	limit       *allowance // a crash does not refill it
	sent        uint64
	taken       uint64
	dropped     uint64
}

// announced is the demand of this node that its status has announced to a peer.
type announced struct {
	minPoW float64
	bloom  Bloom
}

// PeerInfo is the information on a peer for lists of peers.
type PeerInfo struct {
	MinPoW   float64 `json:"minPoW"`
	Full     bool    `json:"fullNode"` // its bloom filter matches every topic
	Light    bool    `json:"light"`
	Trusted  bool    `json:"trusted"`
	Sent     uint64  `json:"envelopesSent"`
	Received uint64  `json:"envelopesReceived"`
	Dropped  uint64  `json:"envelopesDropped"` // because they exceeded its rate
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

// peerID returns the ID of a node as in protocols.Peer. s is an enode URL or a public key
// in hex.
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

// ourStatus returns this node's status for a link.
func (w *Whisper) ourStatus(l *protocols.Link) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := protocols.State[peer](l)
	p.announced = announced{w.demand.minPoW, w.demand.bloom}
	return Status{Version: version, MinPoW: powRequirement(p.announced.minPoW), Bloom: p.announced.bloom[:], Light: w.light}
}

// checkStatus returns an error if this node can't link with the remote.
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
		return fmt.Errorf("%w: both nodes are light nodes, which don't forward envelopes", protocols.DiscUselessPeer)
	}
	return nil
}

// enter adds a peer whose status is valid, and sends it the pool's envelopes that it wants.
func (w *Whisper) enter(l *protocols.Link) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := protocols.State[peer](l)
	if p.link != nil {
		return p // a restarted actor of the same link
	}
	s := protocols.StatusOf[Status](l)
	p.link, p.id, p.light, p.limit = l.Shared(), l.Peer().ID, s.Light, newAllowance(w.rate, time.Now())
	p.minPoW, _ = s.MinPoW.value() // checkStatus has validated both
	p.bloom, _ = bloomOf(s.Bloom)
	w.peers[p] = struct{}{}
	close(w.arrived)
	w.arrived = make(chan struct{})
	if p.announced != (announced{w.demand.minPoW, w.demand.bloom}) {
		w.announceTo(p) // the demand changed during the handshake
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

// announce sends a new demand to all peers.
func (w *Whisper) announce(msg any) {
	for p := range w.peers {
		if !p.unannounced {
			w.noteFull(p, p.link.Send(msg))
		}
	}
}

// noteFull records that a demand was not sent because the peer's outbox is full.
func (w *Whisper) noteFull(p *peer, err error) {
	if errors.Is(err, protocols.ErrOutboxFull) {
		p.unannounced = true
	}
}

// announceTo sends this node's whole demand to a peer.
func (w *Whisper) announceTo(p *peer) {
	p.unannounced = false
	w.noteFull(p, p.link.Send(powRequirement(w.demand.minPoW)))
	w.noteFull(p, p.link.Send(BloomFilter(w.demand.bloom[:])))
}

// drained continues the sending that a full outbox has stopped.
func (w *Whisper) drained(p *peer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.lagging = false
	if p.unannounced {
		w.announceTo(p)
	}
	w.catchUp(p)
}
