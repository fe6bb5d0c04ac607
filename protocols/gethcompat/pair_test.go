package gethcompat_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/gethcompat"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// one returns the Spec of a single go-ethereum protocol.
func one(t *testing.T, run func(*p2p.Peer, p2p.MsgReadWriter) error) protocols.Spec {
	t.Helper()
	specs, err := gethcompat.Specs(p2p.Protocol{Name: "tally", Version: 1, Length: 3, Run: run})
	if err != nil {
		t.Fatal(err)
	}
	return specs[0]
}

func silent(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
	for {
		msg, err := rw.ReadMsg()
		if err != nil {
			return err
		}
		if err := msg.Discard(); err != nil {
			return err
		}
	}
}

// TestEnds: the return of Run ends the link with the right reason.
func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		run    func(peer *p2p.Peer, rw p2p.MsgReadWriter) error
		reason protocols.DiscReason
		want   string
	}{
		"nil":    {func(*p2p.Peer, p2p.MsgReadWriter) error { return nil }, protocols.DiscQuitting, ""},
		"error":  {func(*p2p.Peer, p2p.MsgReadWriter) error { return errors.New("no head") }, protocols.DiscSubprotocolError, "no head"},
		"reason": {func(*p2p.Peer, p2p.MsgReadWriter) error { return p2p.DiscTooManyPeers }, protocols.DiscTooManyPeers, "too many peers"},
		"bad message": {func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
			msg, err := rw.ReadMsg()
			if err != nil {
				return err
			}
			return msg.Decode(new(uint64))
		}, protocols.DiscProtocolError, "code 2"},
		"unknown code": {func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
			return p2p.Send(rw, 3, "three")
		}, protocols.DiscSubprotocolError, "0x03, but tally has 3 codes"},
		"short payload": {func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
			return rw.WriteMsg(p2p.Msg{Code: 1, Size: 5, Payload: strings.NewReader("four")})
		}, protocols.DiscSubprotocolError, "payload of 5 bytes"},
		"panic": {func(*p2p.Peer, p2p.MsgReadWriter) error { panic("no database") }, protocols.DiscSubprotocolError, "no database"},
		"disconnect": {func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
			peer.Disconnect(p2p.DiscUselessPeer)
			if err := silent(peer, rw); err != io.EOF { // messages that have arrived can still be read
				return fmt.Errorf("read after Disconnect: %w", err)
			}
			return nil
		}, protocols.DiscRequested, "the protocol called Disconnect"},
	} {
		t.Run(name, func(t *testing.T) {
			start := make(chan struct{})
			p := protocoltest.NewPair(t, one(t, func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
				<-start
				return c.run(peer, rw)
			}), protocoltest.ByHand(one(t, silent)))
			if err := p.B.Send(&protocols.RawMessage{Code: 2, Payload: []byte{0xc0}}); err != nil {
				t.Error(err)
			}
			close(start)
			cause := p.A.Wait()
			if cause.Side != protocols.Local || cause.Reason != c.reason || !strings.Contains(cause.Error(), c.want) {
				t.Errorf("ended with %v", cause)
			}
			if cause := p.B.Wait(); cause.Side != protocols.Remote || cause.Reason != c.reason {
				t.Errorf("at the remote, the link ended with %v", cause)
			}
		})
	}
}

// TestRemoteEnds: when the remote ends the link, Run gets the same errors as in go-ethereum.
func TestRemoteEnds(t *testing.T) {
	read, write := make(chan error, 1), make(chan error, 1)
	p := protocoltest.NewPair(t, one(t, func(_ *p2p.Peer, rw p2p.MsgReadWriter) error {
		_, err := rw.ReadMsg()
		read <- err
		err = p2p.Send(rw, 1, "more")
		write <- err
		return err
	}), protocoltest.ByHand(one(t, silent)))
	p.B.Disconnect(protocols.DiscTooManyPeers)
	if err := <-read; err != io.EOF {
		t.Errorf("ReadMsg: %v", err)
	}
	if err := <-write; err != p2p.ErrShuttingDown {
		t.Errorf("WriteMsg: %v", err)
	}
	if cause := p.A.Wait(); cause.Side != protocols.Remote || cause.Reason != protocols.DiscTooManyPeers {
		t.Errorf("ended with %v", cause)
	}
}

// TestPeer: the information that the p2p.Peer gives to Run.
func TestPeer(t *testing.T) {
	type seen struct {
		id    enode.ID
		name  string
		caps  string
		runs  bool
		other bool
		link  *protocols.Link
		peer  *p2p.Peer
	}
	result := make(chan seen, 1)
	p := protocoltest.NewPair(t, one(t, func(peer *p2p.Peer, rw p2p.MsgReadWriter) error {
		result <- seen{
			peer.ID(), peer.Fullname(), fmt.Sprint(peer.Caps()),
			peer.RunningCap("tally", []uint{1}), peer.RunningCap("tally", []uint{2}), gethcompat.LinkOf(peer), peer,
		}
		return silent(peer, rw)
	}), protocoltest.ByHand(one(t, silent)))
	got := <-result
	if got.name != "protocoltest B" || got.caps != "[tally/1]" || !got.runs || got.other {
		t.Errorf("the peer is %+v", got)
	}
	if got.link != p.A.Link || !strings.HasPrefix(p.A.Link.Peer().Addr.String(), "192.0.2.2") {
		t.Errorf("the peer's link is %v, want %v", got.link, p.A.Link)
	}
	p.A.Disconnect(protocols.DiscRequested)
	p.A.Wait()
}

func TestSpecs(t *testing.T) {
	info := func(what string) func(enode.ID) any { return func(enode.ID) any { return what } }
	specs, err := gethcompat.Specs(
		p2p.Protocol{Name: "b", Version: 68, Length: 17, Run: silent, NodeInfo: func() any { return "old" }},
		p2p.Protocol{Name: "a", Version: 1, Length: 2, Run: silent},
		p2p.Protocol{Name: "b", Version: 69, Length: 18, Run: silent, NodeInfo: func() any { return "new" }, PeerInfo: info("69")},
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(specs) != 2 || specs[0].Name != "b" || specs[1].Name != "a" {
		t.Fatalf("got %+v", specs)
	}
	b := specs[0]
	if len(b.Versions) != 2 || b.Versions[0].Length != 17 || len(b.Versions[1].Messages) != 18 || b.Restart != protocols.Temporary {
		t.Errorf("b is %+v", b)
	}
	if got := b.NodeInfo(); got != "new" {
		t.Errorf("NodeInfo is %v", got)
	}
	if specs[1].PeerInfo != nil || specs[1].NodeInfo != nil {
		t.Error("the Spec of a has PeerInfo or NodeInfo, want neither")
	}
	only := func(n int) protocols.Spec {
		s := b
		s.Versions = b.Versions[n : n+1]
		return protocoltest.ByHand(s)
	}
	for n, want := range map[int]any{0: "unknown", 1: "69"} {
		p := protocoltest.NewPair(t, b, only(n))
		if got := p.A.PeerInfo(); got != want {
			t.Errorf("PeerInfo with version %d is %v, want %v", p.A.Version(), got, want)
		}
	}
	for name, protos := range map[string][]p2p.Protocol{
		"a/3: Run": {{Name: "a", Version: 3, Length: 1}},
		"a/3: no":  {{Name: "a", Version: 3, Run: silent}},
		"a/3: giv": {{Name: "a", Version: 3, Length: 1, Run: silent}, {Name: "a", Version: 3, Length: 1, Run: silent}},
	} {
		if _, err := gethcompat.Specs(protos...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// byHand lets go-ethereum's helpers send from an end that the test controls.
type byHand struct{ *protocoltest.End }

func (b byHand) WriteMsg(msg p2p.Msg) error {
	payload, err := io.ReadAll(msg.Payload)
	if err != nil {
		return err
	}
	return b.Send(&protocols.RawMessage{Code: msg.Code, Payload: payload})
}
