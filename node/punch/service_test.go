package punch

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/nat/stun"
)

// A datagram goes only to the receiver that expects it: an opener may come from anywhere, and its source is what
// counts; a STUN response must come from where the request went.
func TestSniff(t *testing.T) {
	asked, elsewhere := netip.MustParseAddrPort("30.1.1.10:50000"), netip.MustParseAddrPort("30.9.9.9:53")
	answer := func(t token, seen netip.AddrPort) []byte {
		b, ok := stun.AnswerDatagram(stun.PaddedRequest(t), seen)
		if !ok {
			panic("no answer")
		}
		return b
	}
	one, two := token{1}, token{2}
	for _, tc := range []struct {
		name     string
		datagram []byte
		from     netip.AddrPort
		want     netip.AddrPort // what is passed on; invalid: nothing
	}{
		{"an opener", stun.Indication(one), elsewhere, elsewhere},
		{"a response with the token of an opener", answer(one, elsewhere), asked, netip.AddrPort{}},
		{"a response", answer(two, elsewhere), asked, elsewhere},
		{"a response from elsewhere", answer(two, elsewhere), elsewhere, netip.AddrPort{}},
		{"an opener with the token of a request", stun.Indication(two), asked, netip.AddrPort{}},
		{"an opener that is not expected", stun.Indication(token{3}), asked, netip.AddrPort{}},
	} {
		d := New(Config{})
		var got netip.AddrPort
		tell := func(at netip.AddrPort) { got = at }
		d.expect(one, expectation{tell: tell})
		d.expect(two, expectation{by: asked, tell: tell})
		if !d.Sniff(tc.datagram, tc.from) {
			t.Errorf("%s: left to discovery", tc.name)
		}
		if got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
		d.forget(one)
		d.forget(two)
		if len(d.expected) > 0 {
			t.Errorf("%d datagrams are still expected", len(d.expected))
		}
	}
}

// A node can be called if it takes part, by its newest record, and is not this node. A node whose key is not known
// cannot be called: discovery could not establish a session with it.
func TestCallable(t *testing.T) {
	at := netip.MustParseAddr("30.1.1.10")
	us, known, unknown := participant(t, at), participant(t, at), participant(t, at)
	url := func(n *enode.Node) *enode.Node { return enode.NewV4(n.Pubkey(), at.AsSlice(), 30303, 30303) }
	keyless := func() *enode.Node {
		var r enr.Record
		r.Set(NewEntry(Open))
		return enode.SignNull(&r, enode.ID{1})
	}
	p := &puncher{Service: New(Config{ID: us.ID(), Line: &counter{known: map[enode.ID]*enode.Node{known.ID(): known}}})}
	for _, tc := range []struct {
		name string
		node *enode.Node
		want error
	}{
		{"a record", unknown, nil},
		{"the URL of a node whose record is known", url(known), nil},
		{"the URL of another node", url(unknown), ErrUnsupported},
		{"this node", us, ErrUnsupported},
		{"a node without a key", keyless(), ErrUnsupported},
	} {
		n, nat, err := p.callable(tc.node)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if tc.want == nil && (n.Seq() == 0 && n.Record().Signature() == nil || nat != EndpointIndependent) {
			t.Errorf("%s: %v, %v", tc.name, n, nat)
		}
	}
}
