package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/golang/snappy"

	"github.com/troupe-p2p/troupe/wire"
)

func TestReasonNames(t *testing.T) {
	seen := map[string]wire.DiscReason{}
	for r := range wire.DiscReason(0x12) {
		if other, twice := seen[r.String()]; twice {
			t.Errorf("%#x and %#x are both %q", uint8(r), uint8(other), r)
		}
		seen[r.String()] = r
	}
	for want, r := range map[string]wire.DiscReason{
		"disconnect requested": 0x00, "breach of protocol": 0x02, "too many peers": 0x04, "client quitting": 0x08,
		"ping timeout": 0x0b, "unknown disconnect reason 0x0c": 0x0c, "subprotocol error": 0x10,
		"unknown disconnect reason 0xff": 0xff,
	} {
		if got := r.String(); got != want {
			t.Errorf("%#x is %q, want %q", uint8(r), got, want)
		}
		if got := r.Error(); got != want {
			t.Errorf("%#x as an error is %q", uint8(r), got)
		}
	}
}

func TestReasonOf(t *testing.T) {
	for _, tc := range []struct {
		err error
		r   wire.DiscReason
		ok  bool
	}{
		{wire.DiscSelf, wire.DiscSelf, true},
		{fmt.Errorf("peers: %w", wire.DiscTooManyPeers), wire.DiscTooManyPeers, true},
		{io.EOF, 0, false},
		{&wire.RemoteDisconnect{Reason: wire.DiscQuitting}, 0, false},
		{nil, 0, false},
	} {
		if r, ok := wire.ReasonOf(tc.err); r != tc.r || ok != tc.ok {
			t.Errorf("%v: %v, %v", tc.err, r, ok)
		}
	}
}

func TestParseDisconnect(t *testing.T) {
	for _, tc := range []struct {
		name    string
		payload []byte
		want    wire.DiscReason
		bad     bool
	}{
		{"list", []byte{0xc1, 0x04}, wire.DiscTooManyPeers, false},
		{"list of zero", []byte{0xc1, 0x80}, wire.DiscRequested, false},
		{"list of zero, not canonical", []byte{0xc1, 0x00}, wire.DiscRequested, false},
		{"list of an unknown reason", []byte{0xc2, 0x81, 0xff}, 0xff, false},
		{"list with more elements", []byte{0xc4, 0x10, 0x82, 'n', 'o'}, wire.DiscSubprotocolError, false},
		{"long list", append([]byte{0xf8, 60, 0x08}, make([]byte, 59)...), wire.DiscQuitting, false},
		{"list and bytes after it", []byte{0xc1, 0x05, 0x01, 0x02}, wire.DiscAlreadyConnected, false},
		{"bare", []byte{0x03}, wire.DiscUselessPeer, false},
		{"bare zero", []byte{0x80}, wire.DiscRequested, false},
		{"bare zero byte", []byte{0x00}, wire.DiscRequested, false},
		{"bare one", []byte{0x01}, wire.DiscNetworkError, false},
		{"bare, unknown", []byte{0x81, 0x80}, 0x80, false},
		{"empty list", []byte{0xc0}, wire.DiscRequested, false},
		{"nothing", nil, wire.DiscRequested, false},
		{"list in a list", []byte{0xc2, 0xc1, 0x04}, wire.DiscRequested, true},
		{"too large", []byte{0xc3, 0x82, 0x01, 0x00}, wire.DiscRequested, true},
		{"text", append([]byte{0x88}, "too many"...), wire.DiscRequested, true},
		{"cut short", []byte{0xc2, 0x81}, wire.DiscRequested, true},
		{"list cut short", []byte{0xc5, 0x01}, wire.DiscRequested, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			check := func(how string, payload []byte, compressed bool) {
				t.Helper()
				got, err := wire.ParseDisconnect(payload, compressed)
				if got != tc.want || (err != nil) != tc.bad {
					t.Errorf("%s: %v, %v", how, got, err)
				}
				if tc.bad {
					wantReason(t, err, wire.ErrBadDisconnect, wire.DiscProtocolError)
				}
			}
			check("before Hello", tc.payload, false)
			check("compressed", snappy.Encode(nil, tc.payload), true)
			check("uncompressed after Hello", tc.payload, true)
		})
	}
}

// Parsing a Disconnect allocates nothing, whatever size the payload claims.
func TestDisconnectIsBounded(t *testing.T) {
	bomb := snappy.Encode(nil, bytes.Repeat([]byte{0x05}, 1<<20))
	if r, err := wire.ParseDisconnect(bomb, true); r == 0x05 {
		t.Errorf("a decompression bomb was decompressed: %v, %v", r, err)
	}
	if allocs := testing.AllocsPerRun(10, func() { _, _ = wire.ParseDisconnect(bomb, true) }); allocs != 0 {
		t.Errorf("%v allocations for a decompression bomb", allocs)
	}
	compressed := snappy.Encode(nil, []byte{0xc1, 0x04})
	if allocs := testing.AllocsPerRun(10, func() { _, _ = wire.ParseDisconnect(compressed, true) }); allocs != 0 {
		t.Errorf("%v allocations for a normal payload", allocs)
	}
}

func TestAppendDisconnect(t *testing.T) {
	for r := range wire.DiscReason(255) {
		payload := wire.AppendDisconnect([]byte{1}, r)
		got, err := wire.ParseDisconnect(payload[1:], false)
		if err != nil || got != r {
			t.Errorf("%v is parsed as %v, %v", r, got, err)
		}
	}
	if got := wire.AppendDisconnect(nil, wire.DiscRequested); !bytes.Equal(got, []byte{0xc1, 0x80}) {
		t.Errorf("DiscRequested is encoded as %x", got)
	}
}

func TestRemoteDisconnectNamesItsReason(t *testing.T) {
	var err error = &wire.RemoteDisconnect{Reason: wire.DiscUselessPeer}
	var rd *wire.RemoteDisconnect
	if got := err.Error(); got != "disconnected by the remote: useless peer" || !errors.As(err, &rd) {
		t.Error(got)
	}
}
