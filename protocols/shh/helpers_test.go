package shh_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// Message codes of EIP-627.
const (
	messagesCode   = 0x01
	p2pRequestCode = 0x7e
	p2pMessageCode = 0x7f
)

var (
	topic      = shh.Topic{0xca, 0xfe, 0x00, 0x07}
	otherTopic = shh.Topic{0x11, 0x22, 0x33, 0x00}
	symKey     = hexutil.Bytes("0123456789abcdef0123456789abcdef")
)

// easy is the Config of a node with a low minimum PoW.
var easy = shh.Config{MinPoW: 0.001}

// newWhisper makes a node's side and closes it at the test's end.
func newWhisper(t testing.TB, cfg shh.Config) *shh.Whisper {
	t.Helper()
	w := shh.New(cfg)
	t.Cleanup(w.Close)
	return w
}

// symKeyID adds the tests' key to a node and returns its ID.
func symKeyID(t testing.TB, w *shh.Whisper) string {
	t.Helper()
	id, err := w.AddSymKey(symKey)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// newFilter makes a filter for the tests' key.
func newFilter(t testing.TB, w *shh.Whisper, topics ...shh.Topic) string {
	t.Helper()
	id, err := w.NewMessageFilter(shh.Criteria{SymKeyID: symKeyID(t, w), Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// post posts a text with the tests' key.
func post(t testing.TB, w *shh.Whisper, topic shh.Topic, text string) {
	t.Helper()
	if _, err := w.Post(t.Context(), shh.NewMessage{SymKeyID: symKeyID(t, w), Topic: topic, Payload: []byte(text), PowTime: 60}); err != nil {
		t.Fatal(err)
	}
}

// texts takes a filter's messages and returns their payloads.
func texts(t testing.TB, w *shh.Whisper, filter string) (texts []string) {
	t.Helper()
	messages, err := w.GetFilterMessages(filter)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		texts = append(texts, string(m.Payload))
	}
	return texts
}

// sealed makes an envelope with the tests' key. change may modify it before its PoW is
// computed.
func sealed(t testing.TB, text string, pow float64, change func(*shh.Envelope)) *shh.Envelope {
	t.Helper()
	l := shh.Letter{SymKey: symKey, Topic: topic, Payload: []byte(text), TTL: 5}
	e, err := l.Envelope(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(e)
	}
	if err := e.Seal(t.Context(), pow); err != nil {
		t.Fatal(err)
	}
	return e
}

// exactly makes an envelope with at least the PoW pow and not much more than twice as much,
// which sealed may return by chance.
func exactly(t testing.TB, pow float64, change func(*shh.Envelope)) *shh.Envelope {
	t.Helper()
	for {
		// Work is measured in whole bits, so the smallest sufficient work may be nearly twice
		// as much as needed.
		if e := sealed(t, "text", pow, change); e.PoW() < 2.1*pow {
			return e
		}
	}
}

// status returns the status of a node that wants all envelopes.
func status() *shh.Status { return &shh.Status{Version: 6} }

// remoteSpec returns Whisper's Spec without its handshake, for a remote whose test sends
// the status or omits it.
func remoteSpec() protocols.Spec {
	s := shh.New(shh.Config{}).Spec()
	s.Versions[0].Handshake = nil
	return s
}

// remote links a node to a remote that the test controls. If status is not nil, the remote
// sends it, and the node has processed it when remote returns.
func remote(t *testing.T, w *shh.Whisper, status any, opts ...protocoltest.Option) *protocoltest.Pair {
	t.Helper()
	spec := remoteSpec()
	if _, raw := status.(*protocols.RawMessage); raw {
		spec.Versions[0].Messages[0] = protocols.Raw()
	}
	p := protocoltest.NewPair(t, w.Spec(), protocoltest.ByHand(spec), opts...)
	if status != nil {
		send(t, p.B, status)
	}
	synctest.Wait()
	return p
}

func send(t *testing.T, e *protocoltest.End, msg any) {
	t.Helper()
	if err := e.Send(msg); err != nil {
		t.Fatal(err)
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bundle returns a message with envelopes.
func bundle(t testing.TB, envelopes ...*shh.Envelope) *protocols.RawMessage {
	t.Helper()
	return &protocols.RawMessage{Code: messagesCode, Payload: encode(t, envelopes)}
}

// unbundle returns the envelopes in a message.
func unbundle(t testing.TB, m *protocols.RawMessage) (envelopes []*shh.Envelope) {
	t.Helper()
	if m.Code != messagesCode {
		t.Fatalf("got message 0x%02x", m.Code)
	}
	if err := rlp.DecodeBytes(m.Payload, &envelopes); err != nil {
		t.Fatal(err)
	}
	return envelopes
}

// ended waits for the link's end, checks that the node has ended it without a crash, and
// returns the cause.
func ended(t *testing.T, p *protocoltest.Pair) *protocols.Cause {
	t.Helper()
	c := p.A.Wait()
	if c.Side != protocols.Local || p.A.Restarts() != 0 {
		t.Errorf("ended with %v, after %d restarts", c, p.A.Restarts())
	}
	return c
}

// quiet returns a logger for an actor system that discards everything.
func quiet(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
