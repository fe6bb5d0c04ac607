package troupe_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// firstCode is where the codes of a link's only protocol begin.
const firstCode = wire.BaseLength

func wrongHeaderMAC(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.sealed(t, firstCode, []byte("x"))
	frame[wire.HeaderRoom-1] ^= 1
	r.write(t, frame)
	v.breached(t, r, wire.ErrBadHeaderMAC)
}

func wrongFrameMAC(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.sealed(t, firstCode, []byte("x"))
	frame[len(frame)-1] ^= 1
	// More is on its way when the link ends.
	r.write(t, append(frame, piece(1, 200<<10)...))
	v.breached(t, r, wire.ErrBadFrameMAC)
}

// hugeForgedHeader claims a frame of 16 MiB. It is not believed, and nobody waits for
// the frame to come.
func hugeForgedHeader(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.sealed(t, firstCode, []byte("x"))
	// The cipher is a stream: what is changed here changes the same bits of the size.
	for i := range 3 {
		frame[i] ^= 0xFF
	}
	r.write(t, frame[:wire.HeaderRoom])
	v.breached(t, r, wire.ErrBadHeaderMAC)
}

// hugeFrames is how many links claim a frame of 16 MiB at a time.
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

// hugeHeaders claims frames of 16 MiB with MACs that are right, and sends of each only
// the beginning. Memory is committed as bytes arrive, so there is little to see.
func hugeHeaders(t *testing.T, v *victim) {
	header := [wire.HeaderRoom]byte(v.huge)
	var links []*remote
	for range hugeFrames {
		r := v.connect(t, benchCap)
		copy(v.huge, header[:]) // the rest may be what the last one has sealed
		if err := r.Encoder.Seal(v.huge); err != nil {
			t.Fatal(err)
		}
		r.write(t, v.huge[:8<<10])
		links = append(links, r)
	}
	for _, r := range links {
		eventually(t, "that the beginning of a frame is read", func() bool {
			for _, p := range v.Peers() {
				if p.RemoteAddr == local(r) {
					return p.BytesIn >= 8<<10
				}
			}
			return false
		})
	}
	for _, r := range links {
		r.TCPConn.Close()
		if c := v.dropped(t, r); c.Side != protocols.Network || c.Reason != wire.DiscNetworkError {
			t.Errorf("cause: %v", c)
		}
	}
}

func claimTooMuch(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.write(t, r.sealed(t, firstCode, append(binary.AppendUvarint(nil, 16<<20), 0, 0)))
	if c := v.breached(t, r, wire.ErrMessageTooLarge); c.Protocol != "bench/1" || !c.HasCode || c.Code != 0 {
		t.Errorf("cause does not say where: %v", c)
	}
}

// claimImpossible claims 16 MiB - 1 with ten bytes, which can't be; what would be taken
// for it is nothing.
func claimImpossible(t *testing.T, v *victim) {
	for range unlessRace(200, 20) {
		r := v.connect(t, benchCap)
		claim := binary.AppendUvarint(nil, 1<<24-1)
		r.write(t, r.sealed(t, firstCode, append(claim, make([]byte, 10-len(claim))...)))
		v.breached(t, r, wire.ErrCorrupt)
	}
}

func strayCode(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.write(t, r.sealed(t, firstCode+16, []byte{1, 0, 0xC0}))
	if c := v.breached(t, r, nil); c.Err == nil || !strings.Contains(c.Err.Error(), "0x20 belongs to no protocol") {
		t.Errorf("cause: %v", c)
	}
}

func badRLP(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.write(t, r.sealed(t, firstCode+1, []byte{3, 2 << 2, 0xC2, 0x01, 0xFF}))
	c := v.breached(t, r, nil)
	var decode *protocols.DecodeError
	if !errors.As(c.Err, &decode) || decode.Code != 1 || c.Protocol != "bench/1" {
		t.Errorf("cause: %v", c)
	}
}

// breachInAnswer breaks the protocol while a large answer is on its way to it. The
// Disconnect comes behind the answer, and what the remote goes on sending is no reason to
// lose both.
func breachInAnswer(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	if err := r.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	ask, err := r.message(firstCode+3, &bench.Flood{Count: 8, Size: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, ask)
	if code, _, err := r.next(); err != nil || code != firstCode {
		t.Fatalf("first of the answers: code %#x, %v", code, err)
	}
	frame := r.sealed(t, firstCode, []byte("x"))
	frame[len(frame)-1] ^= 1
	r.write(t, append(frame, piece(1, 200<<10)...))
	v.breached(t, r, wire.ErrBadFrameMAC)
}
