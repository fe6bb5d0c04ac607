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

// The codes of EIP-627.
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

// easy is a node that wants little work.
var easy = shh.Config{MinPoW: 0.001}

// newWhisper makes a node's side that is closed at the test's end.
func newWhisper(t testing.TB, cfg shh.Config) *shh.Whisper {
	t.Helper()
	w := shh.New(cfg)
	t.Cleanup(w.Close)
	return w
}

// symKeyID gives a node the tests' key.
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

// texts takes what a filter has.
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

// sealed makes an envelope with the tests' key, of which an author changes what he likes
// before the work is done.
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

// exactly makes an envelope that has the PoW, and less than twice as much, which would be
// luck.
func exactly(t testing.TB, pow float64, change func(*shh.Envelope)) *shh.Envelope {
	t.Helper()
	for {
		// A nonce is found by whole bits, so that what is just enough may be nearly twice
		// as much already.
		if e := sealed(t, "text", pow, change); e.PoW() < 2.1*pow {
			return e
		}
	}
}

// status is that of a node that wants everything.
func status() *shh.Status { return &shh.Status{Version: 6} }

// remoteSpec is Whisper's for a remote that sends its status by hand, or none.
func remoteSpec() protocols.Spec {
	s := shh.New(shh.Config{}).Spec()
	s.Versions[0].Handshake = nil
	return s
}

// remote links a node to a remote that is played by hand, whose status, if there is one,
// has come.
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

// bundle is a message with envelopes.
func bundle(t testing.TB, envelopes ...*shh.Envelope) *protocols.RawMessage {
	t.Helper()
	return &protocols.RawMessage{Code: messagesCode, Payload: encode(t, envelopes)}
}

// unbundle takes the envelopes out of a message.
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

// ended checks how a link has ended that the node has ended.
func ended(t *testing.T, p *protocoltest.Pair) *protocols.Cause {
	t.Helper()
	c := p.A.Wait()
	if c.Side != protocols.Local || p.A.Restarts() != 0 {
		t.Errorf("ended with %v, after %d restarts", c, p.A.Restarts())
	}
	return c
}

// quiet is the logger of an actor system that says nothing.
func quiet(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }
