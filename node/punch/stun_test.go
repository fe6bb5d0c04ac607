package punch

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

var someToken = token{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

func TestOpener(t *testing.T) {
	sent := opener(someToken)
	want := append([]byte{0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42}, someToken[:]...)
	if !bytes.Equal(sent, want) {
		t.Fatalf("an opener is % x, not % x", sent, want)
	}
	changed := func(i int, b byte) []byte {
		out := bytes.Clone(sent)
		out[i] = b
		return out
	}
	for _, tt := range []struct {
		name     string
		datagram []byte
		ok       bool
	}{
		{"an opener", sent, true},
		{"nothing", nil, false},
		{"cut", sent[:19], false},
		{"longer", append(bytes.Clone(sent), 0), false},
		{"a request", changed(1, 0x01), false},
		{"an answer", changed(0, 0x01), false},
		{"another method", changed(1, 0x13), false},
		{"bits that STUN leaves zero", changed(0, 0x80), false},
		{"another cookie", changed(4, 0x22), false},
		{"a length without attributes", changed(3, 4), false},
		{"another's", bindingRequest(someToken), false},
	} {
		got, ok := openerToken(tt.datagram)
		if ok != tt.ok || ok && got != someToken {
			t.Errorf("%s: %x, %v", tt.name, got, ok)
		}
	}
}

func TestBinding(t *testing.T) {
	for _, tt := range []struct {
		name       string
		from, seen string
	}{
		{"IPv4", "30.1.2.3:30303", "30.1.2.3:30303"},
		{"IPv4 on a socket for both", "[::ffff:30.1.2.3]:1", "30.1.2.3:1"},
		{"IPv6", "[2a00::1]:65535", "[2a00::1]:65535"},
		{"IPv6 with a zone, which says nothing elsewhere", "[fe80::1%eth0]:7", "[fe80::1]:7"},
	} {
		request := bindingRequest(someToken)
		answer, ok := bindingResponse(request, netip.MustParseAddrPort(tt.from))
		if !ok || len(answer) > len(request) {
			t.Errorf("%s: %d bytes answer %d, %v", tt.name, len(answer), len(request), ok)
		}
		got, seen, ok := bindingAnswer(answer)
		if !ok || got != someToken || seen != netip.MustParseAddrPort(tt.seen) {
			t.Errorf("%s: %x sees %v, %v", tt.name, got, seen, ok)
		}
	}
}

func TestBindingRefused(t *testing.T) {
	from := netip.MustParseAddrPort("30.1.2.3:30303")
	padded := func(kind stun.MessageType, padding int) []byte {
		m := newSTUN(kind, someToken)
		m.Add(stun.AttrPadding, make([]byte, padding))
		return m.Raw
	}
	for _, tt := range []struct {
		name    string
		request []byte
		from    netip.AddrPort
		ok      bool
	}{
		{"a byte longer than need be", padded(stun.BindingRequest, 21), from, true},
		{"as long as is looked at", padded(stun.BindingRequest, stunLimit-24), from, true},
		{"as long as need be", padded(stun.BindingRequest, 20), from, true},
		{"shorter than an answer", padded(stun.BindingRequest, 16), from, false},
		{"longer than is looked at", padded(stun.BindingRequest, stunLimit-20), from, false},
		{"short, with bytes behind it", append(newSTUN(stun.BindingRequest, someToken).Raw, make([]byte, 40)...), from, false},
		{"an indication", padded(openerType, 20), from, false},
		{"an answer", padded(stun.BindingSuccess, 20), from, false},
		{"from nowhere", bindingRequest(someToken), netip.AddrPort{}, false},
		{"from port 0", bindingRequest(someToken), netip.AddrPortFrom(from.Addr(), 0), false},
	} {
		if answer, ok := bindingResponse(tt.request, tt.from); ok != tt.ok || !ok && answer != nil {
			t.Errorf("%s: % x, %v", tt.name, answer, ok)
		}
	}
}

func TestBindingAnswerRefused(t *testing.T) {
	answer := func(ip string, port uint16) []byte {
		m := newSTUN(stun.BindingSuccess, someToken)
		seen := stun.XORMappedAddress{IP: netip.MustParseAddr(ip).AsSlice(), Port: int(port)}
		if err := seen.AddTo(m); err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	plain := newSTUN(stun.BindingSuccess, someToken)
	if err := (&stun.MappedAddress{IP: []byte{30, 1, 2, 3}, Port: 7}).AddTo(plain); err != nil {
		t.Fatal(err)
	}
	failure := answer("30.1.2.3", 7)
	failure[1] = 0x11 // a Binding error
	for name, datagram := range map[string][]byte{
		"port 0":                    answer("30.1.2.3", 0),
		"no address":                answer("0.0.0.0", 7),
		"no IPv6 address":           answer("::", 7),
		"an attribute of RFC 3489":  plain.Raw,
		"no attribute":              newSTUN(stun.BindingSuccess, someToken).Raw,
		"an error":                  failure,
		"a request":                 bindingRequest(someToken),
		"bytes behind it":           append(answer("30.1.2.3", 7), 0),
		"cut":                       answer("30.1.2.3", 7)[:30],
		"cut within the attribute":  answer("30.1.2.3", 7)[:22],
		"longer than is looked at":  make([]byte, 1<<16),
		"an opener":                 opener(someToken),
		"an address of no family":   append(newSTUN(stun.BindingSuccess, someToken).Raw[:2:2], answer("30.1.2.3", 7)[2:25]...),
		"IPv4 in an IPv6 attribute": mappedIPv4(),
	} {
		if got, seen, ok := bindingAnswer(datagram); ok {
			t.Errorf("%s: %x sees %v", name, got, seen)
		}
	}
}

// mappedIPv4 is an answer with ::ffff:30.1.2.3 as an IPv6 address, which the library writes as IPv4.
func mappedIPv4() []byte {
	m := newSTUN(stun.BindingSuccess, someToken)
	value := append([]byte{0, 2, 0, 0}, make([]byte, 16)...)
	plain := netip.MustParseAddr("::ffff:30.1.2.3").As16()
	for i, key := range append([]byte{0x21, 0x12, 0xa4, 0x42}, someToken[:]...) {
		value[4+i] = plain[i] ^ key
	}
	m.Add(stun.AttrXORMappedAddress, value)
	return m.Raw
}

func FuzzSTUN(f *testing.F) {
	for _, from := range []string{"30.1.2.3:30303", "[2a00::1]:1"} {
		answer, _ := bindingResponse(bindingRequest(someToken), netip.MustParseAddrPort(from))
		f.Add(answer)
	}
	f.Add(opener(someToken))
	f.Add(bindingRequest(someToken))
	f.Add(mappedIPv4())
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if got, ok := openerToken(b); ok && !bytes.Equal(opener(got), b) {
			t.Errorf("% x is not what an opener is", b)
		}
		from := netip.MustParseAddrPort("[2a00::1]:9")
		if answer, ok := bindingResponse(b, from); ok {
			if len(answer) > len(b) {
				t.Errorf("%d bytes make us send %d", len(b), len(answer))
			}
			if got, seen, ok := bindingAnswer(answer); !ok || seen != from || !bytes.Equal(got[:], b[8:20]) {
				t.Errorf("the answer to % x is % x", b, answer)
			}
		}
		if _, seen, ok := bindingAnswer(b); ok && (!seen.IsValid() || seen.Port() == 0 || seen.Addr().Is4In6()) {
			t.Errorf("% x: %v", b, seen)
		}
		if !bytes.Equal(before, b) {
			t.Error("the datagram was changed, which is the socket's")
		}
	})
}
