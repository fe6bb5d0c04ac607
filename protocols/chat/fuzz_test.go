package chat_test

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// hostile returns the Spec of a remote that can send any bytes as a Say.
func hostile() protocols.Spec {
	s := chat.NewRoom().Spec()
	s.Versions[0].Messages = []protocols.Message{protocols.Raw()}
	return protocoltest.ByHand(s)
}

// FuzzSay sends any bytes as a Say. Either a subscriber receives a printable line, or the
// actor ends the link with a breach of protocol. The actor never crashes.
func FuzzSay(f *testing.F) {
	for _, line := range []string{"", "hello", "\x1b[2J", "a\nb", "abc\xff", "日本語"} {
		payload, err := rlp.EncodeToBytes(&chat.Say{Line: line})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
		f.Add(payload[:len(payload)-1])
		f.Add(append(payload, 0))
	}
	f.Add([]byte{0xc2, 0x81, 0x41}) // a single byte in a non-canonical, longer form
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, payload []byte) {
		room := chat.NewRoom()
		p := protocoltest.NewPair(t, room.Spec(), hostile())
		lines := room.Hear(t.Context())
		if err := p.B.Send(&protocols.RawMessage{Payload: payload}); err != nil {
			t.Fatal(err)
		}
		select {
		case l := <-lines:
			if !utf8.ValidString(l.Text) || len(l.Text) > chat.MaxLine {
				t.Errorf("received %q", l.Text)
			}
			for _, r := range l.Text {
				if unicode.IsControl(r) {
					t.Errorf("received %q with a control character", l.Text)
				}
			}
		case <-p.A.Context().Done():
			if c := p.A.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscProtocolError || c.Err == nil {
				t.Errorf("ended with %v", c)
			}
		}
		if n := p.A.Restarts(); n != 0 {
			t.Errorf("%d restarts", n)
		}
	})
}
