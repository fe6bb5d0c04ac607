package shh_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// TestP2PMessages: P2P messages are accepted only from a trusted peer, reach only filters
// with AllowP2P, need no PoW and may be expired, and are not forwarded.
func TestP2PMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		plain := newFilter(t, w)
		id, err := w.NewMessageFilter(shh.Criteria{SymKeyID: symKeyID(t, w), AllowP2P: true})
		if err != nil {
			t.Fatal(err)
		}
		p, other := remote(t, w, status()), remote(t, w, status())
		mail := sealed(t, "mail", 0, func(e *shh.Envelope) { e.Expiry -= 1_000_000 })
		direct := &protocols.RawMessage{Code: p2pMessageCode, Payload: mail.Encode()}
		send(t, p.B, direct)
		send(t, p.B, &protocols.RawMessage{Code: p2pMessageCode, Payload: []byte("\xc3abc")}) // invalid, but not parsed
		synctest.Wait()
		if got := texts(t, w, id); got != nil {
			t.Errorf("got %q from a peer that is not trusted", got)
		}
		if err := w.MarkTrustedPeer(p.A.Peer().ID); err != nil {
			t.Fatal(err)
		}
		if info := p.A.PeerInfo().(shh.PeerInfo); !info.Trusted {
			t.Errorf("peer is %+v", info)
		}
		send(t, p.B, direct)
		send(t, p.B, direct)
		synctest.Wait()
		if got := texts(t, w, id); !slices.Equal(got, []string{"mail"}) {
			t.Errorf("got %q", got)
		}
		if got := texts(t, w, plain); got != nil {
			t.Errorf("a filter without P2P got %q", got)
		}
		if info := other.A.PeerInfo().(shh.PeerInfo); info.Sent != 0 || w.Info().Messages != 0 {
			t.Errorf("a P2P message was forwarded: %+v", info)
		}
		send(t, p.B, &protocols.RawMessage{Code: p2pMessageCode, Payload: []byte("\xc3abc")})
		if c := ended(t, p); c.Reason != protocols.DiscProtocolError || !errors.Is(c, shh.ErrEnvelope) {
			t.Errorf("ended with %v", c)
		}
	})
}

// postman is a mail server that records its calls.
type postman struct {
	archived  []common.Hash
	requested []common.Hash
	from      string
}

func (p *postman) Archive(e *shh.Envelope) { p.archived = append(p.archived, e.Hash()) }

func (p *postman) Request(from protocols.Peer, e *shh.Envelope) {
	p.requested, p.from = append(p.requested, e.Hash()), from.ID
}

// TestMailServer: a node asks a mail server for old envelopes, and trusts it from then on.
func TestMailServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mail := new(postman)
		server, client := newWhisper(t, shh.Config{MinPoW: 0.001, MailServer: mail}), newWhisper(t, easy)
		id, err := client.NewMessageFilter(shh.Criteria{SymKeyID: symKeyID(t, client), AllowP2P: true})
		if err != nil {
			t.Fatal(err)
		}
		p := protocoltest.NewPair(t, server.Spec(), client.Spec())
		synctest.Wait()
		old := sealed(t, "long ago", 0, func(e *shh.Envelope) { e.Expiry -= 1_000_000 })
		request := sealed(t, "please", 0, nil)
		if err := client.RequestHistoricMessages(p.B.Peer().ID, request); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !slices.Equal(mail.requested, []common.Hash{request.Hash()}) || mail.from != p.A.Peer().ID {
			t.Errorf("requested: %v, by %s", mail.requested, mail.from)
		}
		if err := server.SendP2P(mail.from, old); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Post(t.Context(), shh.NewMessage{
			SymKeyID: symKeyID(t, server), Topic: topic, Payload: []byte("direct"), TargetPeer: mail.from,
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := texts(t, client, id); !slices.Equal(got, []string{"long ago", "direct"}) {
			t.Errorf("got %q", got)
		}
		post(t, client, topic, "for all")
		synctest.Wait()
		if len(mail.archived) != 1 {
			t.Errorf("archived: %v", mail.archived)
		}
		send(t, p.B, &protocols.RawMessage{Code: p2pRequestCode, Payload: []byte{0xc0}})
		if c := ended(t, p); c.Reason != protocols.DiscProtocolError || !errors.Is(c, shh.ErrEnvelope) {
			t.Errorf("ended with %v", c)
		}
	})
}

func TestNoSuchPeer(t *testing.T) {
	w := newWhisper(t, easy)
	const enode = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@18.138.108.67:30303"
	e := sealed(t, "text", 0, nil)
	if err := w.SendP2P(enode, e); !errors.Is(err, shh.ErrNoPeer) {
		t.Errorf("got %v", err)
	}
	if err := w.MarkTrustedPeer(enode); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "enode://12@1.2.3.4:5", "00", string(make([]byte, 64))} {
		if err := w.RequestHistoricMessages(bad, e); err == nil {
			t.Errorf("%q was accepted as a peer", bad)
		}
		if err := w.SendP2P(bad, e); err == nil {
			t.Errorf("%q was accepted as a peer", bad)
		}
	}
	e.Data = make([]byte, 1<<20)
	if err := w.SendP2P(enode, e); !errors.Is(err, shh.ErrOversized) {
		t.Errorf("got %v", err)
	}
}
