package node

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

func TestBinding(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.1:30303":         "192.0.2.1:30303",
		"[::ffff:192.0.2.1]:1":    "192.0.2.1:1",
		"[2001:db8::1]:65535":     "[2001:db8::1]:65535",
		"[fe80::1%eth0]:30303":    "[fe80::1]:30303",
		"127.0.0.1:1":             "127.0.0.1:1",
		"[2001:db8::ffff:0:1]:80": "[2001:db8::ffff:0:1]:80",
	} {
		request, err := newBinding()
		if err != nil || len(request) != bindingLength || request[0] != 0 || request[1] != 1 {
			t.Fatalf("the request is % x, %v", request, err)
		}
		answer, ok := answerBinding(request, netip.MustParseAddrPort(from))
		if !ok {
			t.Fatalf("%s: no answer", from)
		}
		if rest, ok := bindingRest(answer[:bindingLength]); !ok || bindingLength+rest != len(answer) {
			t.Errorf("%s: %d bytes, of which the header says %d", from, len(answer), bindingLength+rest)
		}
		if seen, ok := readBinding(answer, request); !ok || seen.String() != want {
			t.Errorf("%s: %v, %v", from, seen, ok)
		}
		other, err := newBinding()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := readBinding(answer, other); ok {
			t.Errorf("%s: it answers another request, too", from)
		}
	}
}

func TestBindingRefused(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.1:1")
	request, err := newBinding()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(i int, b byte) []byte {
		out := bytes.Clone(request)
		out[i] = b
		return out
	}
	padded := stun.MustBuild(stun.BindingRequest, stun.TransactionID, stun.NewSoftware("x")).Raw
	for name, tt := range map[string]struct {
		request []byte
		from    netip.AddrPort
	}{
		"nothing":          {nil, from},
		"cut":              {request[:19], from},
		"longer":           {append(bytes.Clone(request), 0), from},
		"with attributes":  {padded, from},
		"another cookie":   {changed(4, 0), from},
		"an indication":    {changed(1, 0x11), from},
		"no STUN":          {changed(0, 0x40), from},
		"a length":         {changed(3, 4), from},
		"from nowhere":     {request, netip.AddrPort{}},
		"from port 0":      {request, netip.AddrPortFrom(from.Addr(), 0)},
		"an answer":        {stun.MustBuild(stun.BindingSuccess, stun.TransactionID).Raw, from},
		"an auth's prefix": {append([]byte{1, 0xea}, request[2:]...), from},
	} {
		if answer, ok := answerBinding(tt.request, tt.from); ok {
			t.Errorf("%s: % x", name, answer)
		}
	}
	id := stun.NewTransactionIDSetter([stun.TransactionIDSize]byte(request[8:]))
	for name, answer := range map[string][]byte{
		"port 0":      stun.MustBuild(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: []byte{192, 0, 2, 1}}).Raw,
		"no address":  stun.MustBuild(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: make([]byte, 4), Port: 1}).Raw,
		"of RFC 3489": stun.MustBuild(id, stun.BindingSuccess, &stun.MappedAddress{IP: []byte{192, 0, 2, 1}, Port: 1}).Raw,
		"an error":    stun.MustBuild(id, stun.BindingError, &stun.XORMappedAddress{IP: []byte{192, 0, 2, 1}, Port: 1}).Raw,
		"empty":       stun.MustBuild(id, stun.BindingSuccess).Raw,
		"itself":      request,
	} {
		if seen, ok := readBinding(answer, request); ok {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

func FuzzBinding(f *testing.F) {
	from := netip.MustParseAddrPort("[2001:db8::1]:9")
	request, err := newBinding()
	if err != nil {
		f.Fatal(err)
	}
	answer, _ := answerBinding(request, from)
	f.Add(request, request)
	f.Add(answer, request)
	f.Add([]byte{}, request)
	f.Add([]byte{1, 1, 0xff, 0xff}, []byte{0, 1})
	f.Fuzz(func(t *testing.T, b, request []byte) {
		if answer, ok := answerBinding(b, from); ok {
			if seen, ok := readBinding(answer, b); !ok || seen != from {
				t.Errorf("the answer to % x is % x", b, answer)
			}
		}
		if seen, ok := readBinding(b, request); ok && (!seen.IsValid() || seen.Port() == 0 || seen.Addr().Is4In6()) {
			t.Errorf("% x: %v", b, seen)
		}
		if n, ok := bindingRest(b); ok && (n < 0 || bindingLength+n > maxBinding) {
			t.Errorf("% x: %d bytes more", b, n)
		}
	})
}

func TestLeaveFrom(t *testing.T) {
	list := func(s ...string) (out []netip.AddrPort) {
		for _, one := range s {
			if one == "all" {
				out = append(out, netip.AddrPortFrom(netip.Addr{}, 1))
				continue
			}
			out = append(out, netip.MustParseAddrPort(one))
		}
		return out
	}
	for _, tt := range []struct {
		name              string
		configured, bound []netip.AddrPort
		to, want          string
	}{
		{"one socket for both families", list("all"), list("[::]:1"), "192.0.2.1", "0.0.0.0:1"},
		{"the same for IPv6", list("all"), list("[::]:1"), "2001:db8::1", "[::]:1"},
		{"a machine without IPv6", list("all"), list("0.0.0.0:1"), "192.0.2.1", "0.0.0.0:1"},
		{"all of IPv6 alone", list("[::]:1"), list("[::]:1"), "192.0.2.1", ""},
		{"side by side", list("0.0.0.0:1", "[::]:1"), list("0.0.0.0:1", "[::]:1"), "2001:db8::1", "[::]:1"},
		{"one address", list("10.0.0.1:1"), list("10.0.0.1:1"), "192.0.2.1", "10.0.0.1:1"},
		{"no IPv6", list("10.0.0.1:1"), list("10.0.0.1:1"), "2001:db8::1", ""},
		{"not from loopback", list("127.0.0.1:1", "10.0.0.1:1"), list("127.0.0.1:1", "10.0.0.1:1"), "192.0.2.1", "10.0.0.1:1"},
		{"but to it", list("10.0.0.1:1", "127.0.0.1:1"), list("10.0.0.1:1", "127.0.0.1:1"), "127.0.0.2", "127.0.0.1:1"},
		{"for want of another", list("127.0.0.1:1"), list("127.0.0.1:1"), "192.0.2.1", "127.0.0.1:1"},
		{"in memory", list("10.0.0.1:1"), []netip.AddrPort{{}}, "192.0.2.1", ""},
	} {
		got, ok := leaveFrom(tt.configured, tt.bound, netip.MustParseAddr(tt.to))
		if ok != (tt.want != "") || ok && got.String() != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.name, got, ok, tt.want)
		}
	}
}
