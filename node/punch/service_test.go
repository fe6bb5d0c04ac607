package punch

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/nat/stun"
)

// What comes to the socket is for those who wait for just that: an opener says where it came
// from by nothing but that, and an answer is one from where the question went.
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
		want     netip.AddrPort // which is told; not valid: nothing
	}{
		{"an opener", stun.Indication(one), elsewhere, elsewhere},
		{"an answer in an opener's place", answer(one, elsewhere), asked, netip.AddrPort{}},
		{"an answer", answer(two, elsewhere), asked, elsewhere},
		{"an answer from elsewhere", answer(two, elsewhere), elsewhere, netip.AddrPort{}},
		{"an opener in an answer's place", stun.Indication(two), asked, netip.AddrPort{}},
		{"an opener that nobody waits for", stun.Indication(token{3}), asked, netip.AddrPort{}},
	} {
		d := New(Config{})
		var told netip.AddrPort
		tell := func(at netip.AddrPort) { told = at }
		d.expect(one, expectation{tell: tell})
		d.expect(two, expectation{by: asked, tell: tell})
		if !d.Sniff(tc.datagram, tc.from) {
			t.Errorf("%s is left to discovery", tc.name)
		}
		if told != tc.want {
			t.Errorf("%s: %v is told, want %v", tc.name, told, tc.want)
		}
		d.forget(one)
		d.forget(two)
		if len(d.expected) > 0 {
			t.Errorf("%d are remembered", len(d.expected))
		}
	}
}

// Who can be called takes part, by the newest record that there is, and isn't ourselves. Of some
// nodes no key is known: those can't be asked for a session.
func TestCallable(t *testing.T) {
	at := netip.MustParseAddr("30.1.1.10")
	us, known, unknown := someone(t, at), someone(t, at), someone(t, at)
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
		{"a URL of one whose record is known", url(known), nil},
		{"a URL of another", url(unknown), ErrUnsupported},
		{"ourselves", us, ErrUnsupported},
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
