package gethcompat

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
)

// Specs makes Specs of go-ethereum protocols. Each name gets one Spec with all of its
// versions; the Specs have the order of the names. Specs fails if a protocol has no Run, or
// with the error of [protocols.Spec.Check].
func Specs(protos ...p2p.Protocol) ([]protocols.Spec, error) {
	var names []string
	byName := map[string]family{}
	for _, p := range protos {
		if p.Run == nil {
			return nil, fmt.Errorf("protocol %s/%d: Run is missing", p.Name, p.Version)
		}
		if byName[p.Name] == nil {
			names = append(names, p.Name)
		}
		byName[p.Name] = append(byName[p.Name], p)
	}
	var specs []protocols.Spec
	for _, name := range names {
		s := byName[name].spec()
		if err := s.Check(); err != nil {
			return nil, err
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// family is the versions of one protocol.
type family []p2p.Protocol

func (f family) spec() protocols.Spec {
	s := protocols.Spec{Name: f[0].Name}
	latest := f[0]
	for _, p := range f {
		v := protocols.Version{Number: p.Version, Length: p.Length}
		for range p.Length {
			v.Messages = append(v.Messages, protocols.Raw())
		}
		s.Versions = append(s.Versions, v)
		if p.Version > latest.Version {
			latest = p
		}
		if p.PeerInfo != nil {
			s.PeerInfo = f.peerInfo
		}
	}
	if latest.NodeInfo != nil {
		s.NodeInfo = latest.NodeInfo
	}
	return protocols.FromRun(s, f.run)
}

// running returns the version that runs on a link.
func (f family) running(l *protocols.Link) p2p.Protocol {
	for _, p := range f {
		if p.Version == l.Version() {
			return p
		}
	}
	panic(fmt.Sprintf("link runs %s/%d, which is not in the Spec", l.Name(), l.Version()))
}

func (f family) peerInfo(l *protocols.Link) any {
	if info := f.running(l).PeerInfo; info != nil {
		return info(idOf(l.Peer()))
	}
	return "unknown"
}

// run calls Run of the link's version.
func (f family) run(_ context.Context, rw *protocols.ReadWriter) (err error) {
	l := rw.Link()
	near, far := p2p.MsgPipe()
	peer := p2p.NewPeerPipe(idOf(l.Peer()), l.Peer().Name, capsOf(l.Peer()), near)
	links.Store(peer, l)
	defer links.Delete(peer)
	over := make(chan struct{})
	defer func() {
		close(over)
		err = errors.Join(err, near.Close())
	}()
	// The only visible effect of Disconnect on a p2p.Peer of this kind is that its pipe closes.
	rw.Go(func() {
		_, err := far.ReadMsg()
		select {
		case <-over: // closed by run, to end this goroutine
		default:
			l.DisconnectWithError(protocols.DiscRequested, fmt.Errorf("the protocol called Disconnect: %w", err))
		}
	})
	p := f.running(l)
	return translate(p.Run(peer, messages{rw: rw, length: p.Length}))
}

// links maps each peer whose Run has not returned to its link.
var links sync.Map // *p2p.Peer to *protocols.Link

// LinkOf returns the link of a peer that this package has passed to Run. It returns nil for
// other peers and after Run's return.
func LinkOf(peer *p2p.Peer) *protocols.Link {
	l, ok := links.Load(peer)
	if !ok {
		return nil
	}
	return l.(*protocols.Link)
}

// decodeError is the type of p2p.Msg.Decode's errors, which go-ethereum does not export.
var decodeError = reflect.TypeOf(p2p.Msg{Payload: strings.NewReader("")}.Decode(new(uint64)))

// translate converts Run's error to one with this project's reason for the link's end.
func translate(err error) error {
	var reason p2p.DiscReason
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reason):
		return fmt.Errorf("%w: %w", protocols.DiscReason(reason), err)
	case reflect.TypeOf(err) == decodeError:
		return fmt.Errorf("%w: %w", protocols.DiscProtocolError, err)
	}
	return err
}

// idOf returns the peer's node ID in go-ethereum's form.
func idOf(p protocols.Peer) enode.ID {
	key, err := hex.DecodeString(p.ID)
	if err != nil {
		panic(fmt.Sprintf("peer ID %q is not hex: %v", p.ID, err))
	}
	return enode.ID(crypto.Keccak256(key))
}

func capsOf(p protocols.Peer) []p2p.Cap {
	var caps []p2p.Cap
	for _, c := range p.Caps {
		name, number, _ := strings.Cut(c, "/")
		version, err := strconv.ParseUint(number, 10, strconv.IntSize)
		if err != nil {
			panic(fmt.Sprintf("capability %q has no version: %v", c, err))
		}
		caps = append(caps, p2p.Cap{Name: name, Version: uint(version)})
	}
	return caps
}
