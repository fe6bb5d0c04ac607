package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/wire"
)

// reference is a Hello that go-ethereum's RLP package encodes. Its types permit invalid Hellos too.
type reference struct {
	Version    uint64
	Name       string
	Caps       []any
	ListenPort uint64
	ID         []byte
	Rest       []any `rlp:"tail"`
}

type capability struct {
	Name    string
	Version uint64
	Rest    []any `rlp:"tail"`
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHelloAgainstReference(t *testing.T) {
	id := random(64, 1)
	ref := reference{
		Version: 5, Name: "Troupe/v0.1/linux-amd64/go1.26", ListenPort: 30303, ID: id,
		Caps: []any{capability{Name: "eth", Version: 68}, capability{Name: "bench", Version: 1}},
	}
	h := &wire.Hello{
		Version: 5, Name: ref.Name, ListenPort: 30303, ID: [64]byte(id),
		Caps: []wire.Cap{{Name: "eth", Version: 68}, {Name: "bench", Version: 1}},
	}
	payload, err := h.Append([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	if want := append([]byte("before"), encode(t, ref)...); !bytes.Equal(payload, want) {
		t.Errorf("got  %x\nwant %x", payload, want)
	}
	got, err := wire.ParseHello(payload[len("before"):])
	if err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("%+v, %v", got, err)
	}
	if s := h.Caps[0].String(); s != "eth/68" {
		t.Errorf("capability is %q", s)
	}
}

func TestParseHello(t *testing.T) {
	id := random(64, 1)
	base := func(change func(*reference)) []byte {
		ref := reference{Version: 5, Name: "x", Caps: []any{capability{Name: "eth", Version: 68}}, ID: id}
		change(&ref)
		return encode(t, ref)
	}
	for _, tc := range []struct {
		name    string
		payload []byte
		err     error
		reason  wire.DiscReason
	}{
		{"valid", base(func(*reference) {}), nil, 0},
		{"of a later version", base(func(r *reference) { r.Version = 1 << 40 }), nil, 0},
		{"with more elements", base(func(r *reference) { r.Rest = []any{uint(1), "two", []uint{3}} }), nil, 0},
		{"with bytes after it", append(base(func(*reference) {}), 0xff, 0xff), nil, 0},
		{"capability with more elements", base(func(r *reference) {
			r.Caps = []any{capability{Name: "eth", Version: 68, Rest: []any{"more"}}}
		}), nil, 0},
		{"zero ID", base(func(r *reference) { r.ID = make([]byte, 64) }), wire.ErrInvalidIdentity, wire.DiscInvalidIdentity},
		{"short ID", base(func(r *reference) { r.ID = id[:63] }), wire.ErrInvalidIdentity, wire.DiscInvalidIdentity},
		{"long ID", base(func(r *reference) { r.ID = append(id[:64:64], 0) }), wire.ErrInvalidIdentity, wire.DiscInvalidIdentity},
		{"no ID", base(func(r *reference) { r.ID = nil }), wire.ErrInvalidIdentity, wire.DiscInvalidIdentity},
		{"nothing", nil, wire.ErrBadHello, wire.DiscProtocolError},
		{"empty list", []byte{0xc0}, wire.ErrBadHello, wire.DiscProtocolError},
		{"a string", []byte{0x83, 1, 2, 3}, wire.ErrBadHello, wire.DiscProtocolError},
		{"cut short", base(func(*reference) {})[:40], wire.ErrBadHello, wire.DiscProtocolError},
		{"ends before the ID", encode(t, []any{uint(5), "x", []any{}, uint(0)}), wire.ErrBadHello, wire.DiscProtocolError},
		{"name is a list", encode(t, []any{uint(5), []any{}, []any{}, uint(0), id}), wire.ErrBadHello, wire.DiscProtocolError},
		{"capabilities are a string", encode(t, []any{uint(5), "x", "eth", uint(0), id}), wire.ErrBadHello, wire.DiscProtocolError},
		{"port is a list", encode(t, []any{uint(5), "x", []any{}, []any{}, id}), wire.ErrBadHello, wire.DiscProtocolError},
		{"ID is a list", encode(t, []any{uint(5), "x", []any{}, uint(0), []any{}}), wire.ErrBadHello, wire.DiscProtocolError},
		{"capability is a string", base(func(r *reference) { r.Caps = []any{"eth"} }), wire.ErrBadHello, wire.DiscProtocolError},
		{"capability without version", base(func(r *reference) { r.Caps = []any{[]any{"eth"}} }), wire.ErrBadHello, wire.DiscProtocolError},
		{"version of nine bytes", base(func(r *reference) {
			r.Caps = []any{[]any{"eth", bytes.Repeat([]byte{1}, 9)}}
		}), wire.ErrBadHello, wire.DiscProtocolError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, err := wire.ParseHello(tc.payload)
			if tc.err != nil {
				wantReason(t, err, tc.err, tc.reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := wire.Cap{Name: "eth", Version: 68}
			if h.Name != "x" || h.ID != [64]byte(id) || len(h.Caps) != 1 || h.Caps[0] != want {
				t.Errorf("%+v", h)
			}
		})
	}
}

// helloOfSize makes a Hello with many capabilities whose payload has exactly the given size.
func helloOfSize(t testing.TB, h *wire.Hello, size int) *wire.Hello {
	t.Helper()
	sized := *h
	for i := range 150 {
		sized.Caps = append(sized.Caps[:i:i], wire.Cap{Name: fmt.Sprintf("cap%04d", i), Version: 1})
	}
	sized.Name = ""
	ref := reference{Version: sized.Version, ID: sized.ID[:]}
	for _, c := range sized.Caps {
		ref.Caps = append(ref.Caps, capability{Name: c.Name, Version: uint64(c.Version)})
	}
	// The length prefix of a name above 255 bytes takes two bytes more.
	sized.Name = strings.Repeat("n", size-len(encode(t, ref))-2)
	return &sized
}

func TestHelloBorder(t *testing.T) {
	h := helloOf(newKey(t))
	fits := helloOfSize(t, h, wire.MaxHello)
	payload, err := fits.Append(nil)
	if err != nil || len(payload) != wire.MaxHello {
		t.Fatalf("%d bytes, %v", len(payload), err)
	}
	if got, err := wire.ParseHello(payload); err != nil || len(got.Caps) != 150 {
		t.Errorf("the largest Hello: %v", err)
	}
	large := helloOfSize(t, h, wire.MaxHello+1)
	if out, err := large.Append([]byte{1, 2}); !errors.Is(err, wire.ErrHelloTooLarge) || len(out) != 2 {
		t.Errorf("one byte more: %d bytes, %v", len(out), err)
	}
	_, err = wire.ParseHello(append(payload, 0))
	wantReason(t, err, wire.ErrHelloTooLarge, wire.DiscProtocolError)
}

func TestNodeID(t *testing.T) {
	key := newKey(t)
	got := wire.NodeID([64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]))
	if want := enode.PubkeyToIDV4(&key.PublicKey); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}
