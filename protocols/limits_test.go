package protocols_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

type (
	hashes struct{ List [][]byte }
	status struct {
		Network uint64
		Head    []byte
		Extra   uint64 `rlp:"optional"`
	}
)

// limited is a Spec whose messages have limits, and whose actor answers all of them.
func limited() protocols.Spec {
	s := specOf(
		protocols.Type[text](protocols.MaxSize(100)),
		protocols.Raw(protocols.MaxSize(10)),
		protocols.Type[hashes](protocols.MaxItems(5)),
		protocols.Type[status](protocols.TolerateTrailing()),
		protocols.Type[answer](),
	)
	s.New = func() actor.Actor { return new(witness) }
	return s
}

// witness returns a status as it was decoded, and sends an answer for every other message.
type witness struct{ link *protocols.Link }

func (w *witness) Receive(ctx actor.Context) {
	if up, ok := ctx.Message().(*protocols.LinkUp); ok {
		w.link = up.Link
	}
	if protocols.ReceivedAt(ctx).IsZero() {
		return
	}
	var reply any = &answer{N: 1}
	if s, ok := ctx.Message().(*status); ok {
		reply = s
	}
	if err := w.link.Send(reply); err != nil {
		panic(err)
	}
}

const (
	limitedText, limitedRaw, limitedHashes, limitedStatus, limitedAnswer = 0, 1, 2, 3, 4
)

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWithinLimits(t *testing.T) {
	for name, c := range map[string]struct {
		code    uint64
		payload []byte
	}{
		"maximum size":            {limitedText, encode(t, &text{S: strings.Repeat("s", 95)})},
		"maximum size of raw":     {limitedRaw, make([]byte, 10)},
		"maximum number of items": {limitedHashes, encode(t, &hashes{List: [][]byte{{1}, {2}, {3}}})},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, limited(), hostile())
			send(t, p.B, &protocols.RawMessage{Code: c.code, Payload: c.payload})
			if got := protocoltest.Next[protocols.RawMessage](p.B); got.Code != limitedAnswer {
				t.Errorf("answered with 0x%02x", got.Code)
			}
		})
	}
}

// TestBeyondLimits: a message above its limit is not decoded, and the cause names message, peer
// and limit.
func TestBeyondLimits(t *testing.T) {
	nested := bytes.Repeat([]byte{0xc1}, 50) // deeper than any type
	for name, c := range map[string]struct {
		code    uint64
		payload []byte
		typ     string
		want    protocols.LimitError
	}{
		"size":            {limitedText, bytes.Repeat([]byte{0xff}, 101), "protocols_test.text", protocols.LimitError{What: "bytes", Limit: 100, Got: 101}},
		"size of raw":     {limitedRaw, make([]byte, 11), "raw message", protocols.LimitError{What: "bytes", Limit: 10, Got: 11}},
		"items":           {limitedHashes, encode(t, &hashes{List: [][]byte{{1}, {2}, {3}, {4}}}), "protocols_test.hashes", protocols.LimitError{What: "RLP values", Limit: 5, Got: 6}},
		"items in depth":  {limitedHashes, nested, "protocols_test.hashes", protocols.LimitError{What: "RLP values", Limit: 5, Got: 6}},
		"items behind it": {limitedHashes, []byte{0xc0, 1, 2, 3, 4, 5}, "protocols_test.hashes", protocols.LimitError{What: "RLP values", Limit: 5, Got: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, limited(), hostile())
			send(t, p.B, &protocols.RawMessage{Code: c.code, Payload: c.payload})
			cause := p.A.Wait()
			var wrong *protocols.DecodeError
			var limit *protocols.LimitError
			if cause.Side != protocols.Local || cause.Reason != protocols.DiscProtocolError || !errors.As(cause, &wrong) || !errors.As(cause, &limit) {
				t.Fatalf("ended with %v", cause)
			}
			if *limit != c.want {
				t.Errorf("the limit is %+v, want %+v", *limit, c.want)
			}
			if wrong.Type != c.typ || wrong.Code != c.code || !strings.Contains(wrong.Peer, "@192.0.2.2:30303") {
				t.Errorf("the error is %+v", wrong)
			}
			for _, want := range []string{c.typ, wrong.Peer, fmt.Sprint(c.want.Limit), fmt.Sprintf("0x%02x of talk/7", c.code)} {
				if !strings.Contains(cause.Error(), want) {
					t.Errorf("%q is missing in %q", want, cause)
				}
			}
			if n := p.A.Restarts(); n != 0 {
				t.Errorf("%d restarts", n)
			}
		})
	}
}

// TestSendBeyondLimits: Send enforces the limit for which a receiver ends the link.
func TestSendBeyondLimits(t *testing.T) {
	p := protocoltest.NewPair(t, limited(), protocoltest.ByHand(limited()))
	for _, msg := range []any{&text{S: strings.Repeat("s", 96)}, &protocols.RawMessage{Code: limitedRaw, Payload: make([]byte, 11)}} {
		var limit *protocols.LimitError
		if err := p.B.Send(msg); !errors.As(err, &limit) || !strings.Contains(err.Error(), "talk/7") {
			t.Errorf("%T: %v", msg, err)
		}
	}
	send(t, p.B, &text{S: strings.Repeat("s", 95)})
	protocoltest.Next[answer](p.B)
}

// TestTrailing: elements that a later version appends are ignored; any other payload that is not
// a list of the type's elements is still a protocol error.
func TestTrailing(t *testing.T) {
	for name, c := range map[string]struct {
		payload []byte
		want    status
		breach  string
	}{
		"as the type":   {encode(t, &status{Network: 1, Head: []byte{2}, Extra: 3}), status{1, []byte{2}, 3}, ""},
		"no optional":   {encode(t, []any{uint64(1), []byte{2}}), status{1, []byte{2}, 0}, ""},
		"one more":      {encode(t, []any{uint64(1), []byte{2}, uint64(3), []byte("new")}), status{1, []byte{2}, 3}, ""},
		"more and long": {encode(t, []any{uint64(1), []byte{2}, uint64(3), make([]byte, 1000), []any{[]any{}, []any{[]byte("deep")}}}), status{1, []byte{2}, 3}, ""},
		"long and more": {encode(t, []any{uint64(1), make([]byte, 300), uint64(3), uint64(4)}), status{1, make([]byte, 300), 3}, ""},
		"too few":       {encode(t, []any{uint64(1)}), status{}, "too few elements"},
		"wrong element": {encode(t, []any{uint64(1), []any{}, uint64(3), uint64(4)}), status{}, "status).Head"},
		"after it":      {append(encode(t, &status{}), 1), status{}, "more than one value"},
		"not a list":    {[]byte{5}, status{}, "expected input list"},
		"broken tail":   {[]byte{0xc4, 1, 2, 3, 0x85}, status{}, "rlp"},
	} {
		t.Run(name, func(t *testing.T) {
			p := protocoltest.NewPair(t, limited(), hostile())
			send(t, p.B, &protocols.RawMessage{Code: limitedStatus, Payload: c.payload})
			if c.breach != "" {
				if cause := p.A.Wait(); cause.Reason != protocols.DiscProtocolError || !strings.Contains(cause.Error(), c.breach) {
					t.Errorf("ended with %v, want %q", cause, c.breach)
				}
				return
			}
			got := protocoltest.Next[protocols.RawMessage](p.B)
			if want := encode(t, &c.want); !bytes.Equal(got.Payload, want) {
				t.Errorf("decoded as % x, want % x", got.Payload, want)
			}
		})
	}
}
