package stun

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

func TestBinding(t *testing.T) {
	for _, tt := range []struct {
		name       string
		from, seen string
	}{
		{"IPv4", "30.1.2.3:30303", "30.1.2.3:30303"},
		{"IPv4 on a dual-stack socket", "[::ffff:30.1.2.3]:1", "30.1.2.3:1"},
		{"IPv6", "[2a00::1]:65535", "[2a00::1]:65535"},
		{"IPv6 that looks like IPv4", "[2a00::ffff:0:1]:80", "[2a00::ffff:0:1]:80"},
		{"IPv6 with a zone, which has no meaning elsewhere", "[fe80::1%eth0]:7", "[fe80::1]:7"},
		{"loopback", "127.0.0.1:1", "127.0.0.1:1"},
	} {
		for kind, exchange := range map[string]struct {
			request []byte
			answer  func([]byte, netip.AddrPort) ([]byte, bool)
		}{"UDP": {PaddedRequest(someID), AnswerDatagram}, "TCP": {Request(someID), AnswerStream}} {
			response, ok := exchange.answer(exchange.request, netip.MustParseAddrPort(tt.from))
			if !ok || kind == "UDP" && len(response) > len(exchange.request) {
				t.Errorf("%s, %s: %d bytes are answered with %d, %v", tt.name, kind, len(exchange.request), len(response), ok)
				continue
			}
			id, seen, err := ParseResponse(response)
			if err != nil || id != someID || seen != netip.MustParseAddrPort(tt.seen) {
				t.Errorf("%s, %s: ID %x, endpoint %v, %v", tt.name, kind, id, seen, err)
			}
			if id, seen, err := ParseServerResponse(response); err != nil || id != someID || seen != netip.MustParseAddrPort(tt.seen) {
				t.Errorf("%s, %s, as a server's: ID %x, endpoint %v, %v", tt.name, kind, id, seen, err)
			}
			if rest, ok := BodySize(response[:HeaderSize]); !ok || HeaderSize+rest != len(response) {
				t.Errorf("%s, %s: %d bytes, but the header says %d", tt.name, kind, len(response), HeaderSize+rest)
			}
		}
	}
}

func TestAnswer(t *testing.T) {
	from := netip.MustParseAddrPort("30.1.2.3:30303")
	padded := func(kind stun.MessageType, padding int) []byte {
		m := newMessage(kind, someID)
		m.Add(stun.AttrPadding, make([]byte, padding))
		return m.Raw
	}
	request := Request(someID)
	for _, tt := range []struct {
		name             string
		request          []byte
		from             netip.AddrPort
		datagram, stream bool // whether it is answered
	}{
		{"as long as required", padded(stun.BindingRequest, 20), from, true, false},
		{"a byte longer than required", padded(stun.BindingRequest, 21), from, true, false},
		{"of the largest size", padded(stun.BindingRequest, maxDatagram-24), from, true, false},
		{"shorter than a response", padded(stun.BindingRequest, 16), from, false, false},
		{"longer than the largest size", padded(stun.BindingRequest, maxDatagram-20), from, false, false},
		{"without attributes", request, from, false, true},
		{"without attributes, and bytes behind it", append(bytes.Clone(request), make([]byte, 40)...), from, false, false},
		{"without attributes, and one byte behind it", append(bytes.Clone(request), 0), from, false, false},
		{"with a short attribute", stun.MustBuild(stun.BindingRequest, stun.TransactionID, stun.NewSoftware("x")).Raw, from, false, false},
		{"empty", nil, from, false, false},
		{"cut", request[:19], from, false, false},
		{"another cookie", changed(request, 4, 0), from, false, false},
		{"not STUN", changed(request, 0, 0x40), from, false, false},
		{"a wrong length", changed(request, 3, 4), from, false, false},
		{"the beginning of an RLPx auth", append([]byte{1, 0xea}, request[2:]...), from, false, false},
		{"a padded indication", padded(indicationType, 20), from, false, false},
		{"an indication", Indication(someID), from, false, false},
		{"a padded response", padded(stun.BindingSuccess, 20), from, false, false},
		{"a response", newMessage(stun.BindingSuccess, someID).Raw, from, false, false},
		{"from no address", PaddedRequest(someID), netip.AddrPort{}, false, false},
		{"from port 0", PaddedRequest(someID), netip.AddrPortFrom(from.Addr(), 0), false, false},
		{"from no address, over TCP", request, netip.AddrPort{}, false, false},
		{"from port 0, over TCP", request, netip.AddrPortFrom(from.Addr(), 0), false, false},
	} {
		if response, ok := AnswerDatagram(tt.request, tt.from); ok != tt.datagram || !ok && response != nil {
			t.Errorf("%s, as a datagram: % x, %v", tt.name, response, ok)
		}
		if response, ok := AnswerStream(tt.request, tt.from); ok != tt.stream || !ok && response != nil {
			t.Errorf("%s, on a stream: % x, %v", tt.name, response, ok)
		}
	}
}

// response returns a success response with XOR-MAPPED-ADDRESS.
func response(ip string, port uint16) []byte {
	m := newMessage(stun.BindingSuccess, someID)
	seen := stun.XORMappedAddress{IP: netip.MustParseAddr(ip).AsSlice(), Port: int(port)}
	if err := seen.AddTo(m); err != nil {
		panic(err)
	}
	return m.Raw
}

// plainResponse returns one with MAPPED-ADDRESS, as servers of RFC 3489 send it.
func plainResponse(ip string, port int) []byte {
	m := newMessage(stun.BindingSuccess, someID)
	if err := (&stun.MappedAddress{IP: netip.MustParseAddr(ip).AsSlice(), Port: port}).AddTo(m); err != nil {
		panic(err)
	}
	return m.Raw
}

// mappedResponse returns one with ::ffff:30.1.2.3 as an IPv6 address, which the library writes as IPv4.
func mappedResponse() []byte {
	m := newMessage(stun.BindingSuccess, someID)
	value := append([]byte{0, 2, 0x21, 0x12 ^ 7}, make([]byte, 16)...)
	plain := netip.MustParseAddr("::ffff:30.1.2.3").As16()
	for i, key := range append([]byte{0x21, 0x12, 0xa4, 0x42}, someID[:]...) {
		value[4+i] = plain[i] ^ key
	}
	m.Add(stun.AttrXORMappedAddress, value)
	return m.Raw
}

func TestParseResponse(t *testing.T) {
	failure := response("30.1.2.3", 7)
	failure[1] = 0x11 // a Binding error
	for _, tt := range []struct {
		name         string
		b            []byte
		node, server string // the endpoint that is read; empty: an error
	}{
		{"IPv4", response("30.1.2.3", 7), "30.1.2.3:7", "30.1.2.3:7"},
		{"IPv6", response("2a00::1", 7), "[2a00::1]:7", "[2a00::1]:7"},
		{"an attribute of RFC 3489", plainResponse("30.1.2.3", 7), "", "30.1.2.3:7"},
		{"IPv4 in an IPv6 attribute", mappedResponse(), "", "30.1.2.3:7"},
		{"port 0", response("30.1.2.3", 0), "", ""},
		{"port 0 in an attribute of RFC 3489", plainResponse("30.1.2.3", 0), "", ""},
		{"no address", response("0.0.0.0", 7), "", ""},
		{"no IPv6 address", response("::", 7), "", ""},
		{"no attribute", newMessage(stun.BindingSuccess, someID).Raw, "", ""},
		{"an error", failure, "", ""},
		{"a request", PaddedRequest(someID), "", ""},
		{"bytes behind it", append(response("30.1.2.3", 7), 0), "", ""},
		{"cut", response("30.1.2.3", 7)[:30], "", ""},
		{"cut within the attribute", response("30.1.2.3", 7)[:22], "", ""},
		{"bits that STUN leaves zero", changed(response("30.1.2.3", 7), 0, 0x81), "", ""},
		{"larger than the largest size", make([]byte, 1<<16), "", ""},
		{"an indication", Indication(someID), "", ""},
		{"an address of no family", changed(response("30.1.2.3", 7), 25, 9), "", ""},
		{"an address that is cut", append(newMessage(stun.BindingSuccess, someID).Raw[:2:2], response("30.1.2.3", 7)[2:25]...), "", ""},
	} {
		for _, side := range []struct {
			name  string
			parse func([]byte) (ID, netip.AddrPort, error)
			want  string
		}{{"node", ParseResponse, tt.node}, {"server", ParseServerResponse, tt.server}} {
			id, seen, err := side.parse(tt.b)
			switch {
			case side.want == "" && (err == nil || seen.IsValid() || id != ID{}):
				t.Errorf("%s from a %s: ID %x, endpoint %v, %v; want an error", tt.name, side.name, id, seen, err)
			case side.want != "" && (err != nil || id != someID || seen.String() != side.want):
				t.Errorf("%s from a %s: ID %x, endpoint %v, %v; want %s", tt.name, side.name, id, seen, err, side.want)
			}
		}
	}
}

func FuzzSTUN(f *testing.F) {
	for _, from := range []string{"30.1.2.3:30303", "[2a00::1]:1"} {
		response, _ := AnswerDatagram(PaddedRequest(someID), netip.MustParseAddrPort(from))
		f.Add(response)
	}
	f.Add(Indication(someID))
	f.Add(Request(someID))
	f.Add(PaddedRequest(someID))
	f.Add(plainResponse("30.1.2.3", 7))
	f.Add(mappedResponse())
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0xff, 0xff, 0x21, 0x12, 0xa4, 0x42})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if id, ok := ParseIndication(b); ok && !bytes.Equal(Indication(id), b) {
			t.Errorf("% x is taken for an indication", b)
		}
		from := netip.MustParseAddrPort("[2a00::1]:9")
		for kind, answer := range map[string]func([]byte, netip.AddrPort) ([]byte, bool){"UDP": AnswerDatagram, "TCP": AnswerStream} {
			response, ok := answer(b, from)
			if !ok {
				continue
			}
			if kind == "UDP" && len(response) > len(b) {
				t.Errorf("%d bytes are answered with %d", len(b), len(response))
			}
			if id, seen, err := ParseResponse(response); err != nil || seen != from || !bytes.Equal(id[:], b[8:20]) {
				t.Errorf("%s: the answer to % x is % x, %v", kind, b, response, err)
			}
		}
		id, seen, err := ParseResponse(b)
		if err == nil && (!seen.IsValid() || seen.Port() == 0 || seen.Addr().Is4In6()) {
			t.Errorf("% x: %v", b, seen)
		}
		id2, seen2, err2 := ParseServerResponse(b)
		if err2 == nil && (!seen2.IsValid() || seen2.Port() == 0 || seen2.Addr().Is4In6()) {
			t.Errorf("% x from a server: %v", b, seen2)
		}
		if err == nil && (err2 != nil || id != id2 || seen != seen2) {
			t.Errorf("% x: a node says %v, a server %v, %v", b, seen, seen2, err2)
		}
		if !HasHeader(b) && (err == nil || err2 == nil) {
			t.Errorf("% x is parsed, but is not STUN", b)
		}
		if n, ok := BodySize(b); ok && (n < 0 || HeaderSize+n > maxStream) {
			t.Errorf("% x: a body of %d bytes", b, n)
		}
		if !bytes.Equal(before, b) {
			t.Error("the parser changed the bytes, which belong to the socket")
		}
	})
}
