package hostile_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// firstCode is the first message code of a link's only protocol.
const firstCode = wire.BaseLength

func wrongHeaderMAC(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.Sealed(t, firstCode, []byte("x"))
	frame[wire.HeaderRoom-1] ^= 1
	r.Send(t, frame)
	v.breached(t, r, wire.ErrBadHeaderMAC)
}

func wrongFrameMAC(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.Sealed(t, firstCode, []byte("x"))
	frame[len(frame)-1] ^= 1
	// More data is in flight when the link ends.
	r.Send(t, append(frame, fixture.Piece(1, 200<<10)...))
	v.breached(t, r, wire.ErrBadFrameMAC)
}

// hugeForgedHeader claims a frame of 16 MiB with a wrong MAC. The node must reject it without
// waiting for the frame.
func hugeForgedHeader(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.Sealed(t, firstCode, []byte("x"))
	// The cipher is a stream cipher: a changed bit here changes the same bit of the size.
	for i := range 3 {
		frame[i] ^= 0xFF
	}
	r.Send(t, frame[:wire.HeaderRoom])
	v.breached(t, r, wire.ErrBadHeaderMAC)
}

// hugeFrames is how many links claim a frame of 16 MiB at the same time.
const hugeFrames = 20

// hugeFrame lays out a frame of the largest size.
func hugeFrame(t testing.TB) []byte {
	t.Helper()
	frame, err := wire.AppendFrame(nil, firstCode, make([]byte, wire.MaxFrame-1))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// hugeHeaders claims frames of 16 MiB with correct MACs, and sends only the beginning of each.
// Memory is committed as bytes arrive, so the attack costs little.
func hugeHeaders(t *testing.T, v *victim) {
	header := [wire.HeaderRoom]byte(v.huge)
	var links []*nodetest.Client
	for range hugeFrames {
		r := v.connect(t, benchCap)
		copy(v.huge, header[:]) // Seal has changed it in place; the rest may be anything
		if err := r.Encoder.Seal(v.huge); err != nil {
			t.Fatal(err)
		}
		r.Send(t, v.huge[:8<<10])
		links = append(links, r)
	}
	for _, r := range links {
		actortest.Eventually(t, "the beginning of a frame is read", func() bool {
			for _, p := range v.Peers() {
				if p.RemoteAddr == local(r) {
					return p.BytesIn >= 8<<10
				}
			}
			return false
		})
	}
	for _, r := range links {
		r.Close()
		if c := v.dropped(t, r); c.Side != protocols.Network || c.Reason != wire.DiscNetworkError {
			t.Errorf("cause %v", c)
		}
	}
}

func claimTooMuch(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.Send(t, r.Sealed(t, firstCode, append(binary.AppendUvarint(nil, 16<<20), 0, 0)))
	if c := v.breached(t, r, wire.ErrMessageTooLarge); c.Protocol != "bench/1" || !c.HasCode || c.Code != 0 {
		t.Errorf("cause %v does not name protocol and code", c)
	}
}

// claimImpossible claims 16 MiB - 1 with ten bytes, which is impossible. The node must allocate
// nothing for it.
func claimImpossible(t *testing.T, v *victim) {
	for range actortest.Work(200, 20) {
		r := v.connect(t, benchCap)
		claim := binary.AppendUvarint(nil, 1<<24-1)
		r.Send(t, r.Sealed(t, firstCode, append(claim, make([]byte, 10-len(claim))...)))
		v.breached(t, r, wire.ErrCorrupt)
	}
}

func strayCode(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.Send(t, r.Sealed(t, firstCode+16, []byte{1, 0, 0xC0}))
	if c := v.breached(t, r, nil); c.Err == nil || !strings.Contains(c.Err.Error(), "0x20 belongs to no protocol") {
		t.Errorf("cause %v", c)
	}
}

func badRLP(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.Send(t, r.Sealed(t, firstCode+1, []byte{3, 2 << 2, 0xC2, 0x01, 0xFF}))
	c := v.breached(t, r, nil)
	var decode *protocols.DecodeError
	if !errors.As(c.Err, &decode) || decode.Code != 1 || c.Protocol != "bench/1" {
		t.Errorf("cause %v", c)
	}
}

// breachInAnswer breaks the protocol while it receives a large answer. The Disconnect follows
// the answer, and neither is lost because the remote keeps sending.
func breachInAnswer(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	if err := r.TCP().SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	ask, err := r.Message(firstCode+3, &bench.Flood{Count: 8, Size: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	r.Send(t, ask)
	if code, _, err := r.Next(); err != nil || code != firstCode {
		t.Fatalf("first answer: code %#x, %v", code, err)
	}
	frame := r.Sealed(t, firstCode, []byte("x"))
	frame[len(frame)-1] ^= 1
	r.Send(t, append(frame, fixture.Piece(1, 200<<10)...))
	v.breached(t, r, wire.ErrBadFrameMAC)
}
