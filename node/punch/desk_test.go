package punch

import (
	"net/netip"
	"testing"
)

// What comes to the socket is for those who wait for just that: an opener says where it came
// from by nothing but that, and an answer is one from where the question went.
func TestSniff(t *testing.T) {
	asked, elsewhere := netip.MustParseAddrPort("30.1.1.10:50000"), netip.MustParseAddrPort("30.9.9.9:53")
	answer := func(t token, seen netip.AddrPort) []byte {
		b, ok := bindingResponse(bindingRequest(t), seen)
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
		{"an opener", opener(one), elsewhere, elsewhere},
		{"an answer in an opener's place", answer(one, elsewhere), asked, netip.AddrPort{}},
		{"an answer", answer(two, elsewhere), asked, elsewhere},
		{"an answer from elsewhere", answer(two, elsewhere), elsewhere, netip.AddrPort{}},
		{"an opener in an answer's place", opener(two), asked, netip.AddrPort{}},
		{"an opener that nobody waits for", opener(token{3}), asked, netip.AddrPort{}},
	} {
		d := New(Config{})
		var told netip.AddrPort
		tell := func(at netip.AddrPort) { told = at }
		d.await(one, awaited{tell: tell})
		d.await(two, awaited{by: asked, tell: tell})
		if !d.Sniff(tc.datagram, tc.from) {
			t.Errorf("%s is left to discovery", tc.name)
		}
		if told != tc.want {
			t.Errorf("%s: %v is told, want %v", tc.name, told, tc.want)
		}
		d.forget(one)
		d.forget(two)
		if len(d.awaited) > 0 {
			t.Errorf("%d are remembered", len(d.awaited))
		}
	}
}
