//go:build conformance

package shh_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// chanPostman is a mail server that passes on the requests it receives.
type chanPostman struct{ requests chan *shh.Envelope }

func (*chanPostman) Archive(*shh.Envelope) {}

func (p *chanPostman) Request(_ protocols.Peer, e *shh.Envelope) { p.requests <- e }

// forger is the actor of a node that sends given messages, valid or not.
type forger struct {
	messages []*protocols.RawMessage
	down     chan *protocols.Cause
	t        *testing.T
}

func (f *forger) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		for _, m := range f.messages {
			if err := msg.Link.Send(m); err != nil {
				f.t.Error(err)
			}
		}
	case *protocols.LinkDown:
		f.down <- msg.Cause
	}
}

// verdict is a node's reaction to an envelope.
type verdict string

const (
	accepted verdict = "accepted"
	ignored  verdict = "ignored"
	ends     verdict = "ends the link"
)

// judge sends a status and messages to a node, and returns the node's reaction to the
// envelope among them that has the hash. It sends a valid marker envelope after them, and
// waits for that.
func judge(t *testing.T, url string, pooled func(common.Hash) bool, hash common.Hash, messages ...*protocols.RawMessage) verdict {
	t.Helper()
	marker := sealed(t, "marker", 0.5, lasting)
	f := &forger{down: make(chan *protocols.Cause, 1), t: t}
	f.messages = append(append(f.messages, rawStatus(t, uint(6))), messages...)
	f.messages = append(f.messages, bundle(t, marker))
	spec := remoteSpec()
	for code := range spec.Versions[0].Messages {
		spec.Versions[0].Messages[code] = protocols.Raw()
	}
	spec.New = func() actor.Actor { return f }
	n := run(t, spec)
	if err := n.AddPeer(enode.MustParse(url)); err != nil {
		t.Fatal(err)
	}
	ended := false
	actortest.Eventually(t, "a verdict", func() bool {
		select {
		case <-f.down:
			ended = true
		default:
		}
		return ended || pooled(marker.Hash())
	})
	if err := n.RemovePeer(enode.MustParse(url).ID()); err != nil {
		t.Error(err)
	}
	switch {
	case ended:
		return ends
	case pooled(hash):
		return accepted
	}
	return ignored
}

// testVerdicts: our node and the original react in the same way to each envelope.
func testVerdicts(t *testing.T) {
	asked := topic.Bloom().Or(shh.Topic{5, 5, 6, 0}.Bloom())
	cfg := shh.Config{MinPoW: 0.3, Bloom: &asked, MaxMessageSize: 100_000}
	archive := &archivist{held: make(chan common.Hash, 1000)}
	cfg.MailServer = archive
	w := newWhisper(t, cfg)
	us := run(t, w.Spec()).Self().URLv4()
	o := startOriginal(t)
	o.call(nil, "test_setMinPoWNow", cfg.MinPoW)
	o.call(nil, "shh_setMaxMessageSize", cfg.MaxMessageSize)
	o.call(nil, "test_setBloomAndWait", hexutil.Bytes(asked[:]))
	for _, c := range verdictCases(t) {
		t.Run(c.name, func(t *testing.T) {
			o.t = t
			m := c.message()
			hash := hashIn(t, m)
			if got := judge(t, o.enode, o.pooled, hash, m); got != c.want {
				t.Errorf("the original: %s, want %s", got, c.want)
			}
			if got := judge(t, us, archive.has, hash, m); got != c.want {
				t.Errorf("our node: %s, want %s", got, c.want)
			}
		})
	}
	o.t = t
}

type verdictCase struct {
	name    string
	message func() *protocols.RawMessage
	want    verdict
}

// verdictCases returns the cases for nodes that want a PoW of 0.3, two topics, and at most
// 100,000 bytes.
func verdictCases(t *testing.T) []verdictCase {
	at := func(seconds int) func(*shh.Envelope) {
		return func(e *shh.Envelope) { e.Expiry = uint32(int(e.Expiry) + seconds) }
	}
	good := func(topic shh.Topic) *protocols.RawMessage {
		return bundle(t, sealed(t, "text", 0.5, func(e *shh.Envelope) {
			lasting(e)
			e.Topic = topic
		}))
	}
	weak := sealed(t, "weak", 0.01, nil)
	for weak.PoW() >= 0.3 {
		weak = sealed(t, "weak", 0.01, nil)
	}
	return []verdictCase{
		{"good", func() *protocols.RawMessage { return good(topic) }, accepted},
		{"weak", func() *protocols.RawMessage { return bundle(t, weak) }, ends},
		{"another topic", func() *protocols.RawMessage {
			return good(otherTopic)
		}, ends},
		{"bits of the topic in one byte", func() *protocols.RawMessage {
			return good(shh.Topic{5, 5, 6, 0})
		}, accepted},
		{"five seconds early", func() *protocols.RawMessage {
			return bundle(t, sealed(t, "text", 2, at(5)))
		}, accepted},
		{"early, so that its work is too little", func() *protocols.RawMessage {
			return bundle(t, exactly(t, 0.3, at(8)))
		}, ends},
		{"from the future", func() *protocols.RawMessage { return bundle(t, sealed(t, "text", 0.5, at(60))) }, ends},
		{"expired", func() *protocols.RawMessage { return bundle(t, sealed(t, "text", 0.5, at(-15))) }, ignored},
		{"expired and weak", func() *protocols.RawMessage { return bundle(t, sealed(t, "text", 0, at(-15))) }, ignored},
		{"long expired", func() *protocols.RawMessage { return bundle(t, sealed(t, "text", 0.5, at(-60))) }, ends},
		{"TTL beyond the expiry", func() *protocols.RawMessage {
			return bundle(t, sealed(t, "text", 0, func(e *shh.Envelope) { e.TTL = 1<<32 - 1 }))
		}, ends},
		{"no TTL, ahead of the clock, weak", func() *protocols.RawMessage {
			return bundle(t, sealed(t, "text", 0, func(e *shh.Envelope) { e.TTL = 0 }))
		}, ends},
		{"oversized", func() *protocols.RawMessage {
			return bundle(t, sealed(t, "text", 0, func(e *shh.Envelope) { e.Data = make([]byte, 100_001) }))
		}, ends},
		{"no list", func() *protocols.RawMessage { return &protocols.RawMessage{Code: 1, Payload: []byte{0x80}} }, ends},
		{"no envelope", func() *protocols.RawMessage { return &protocols.RawMessage{Code: 1, Payload: []byte{0xc1, 0xc0}} }, ends},
		{"empty list", func() *protocols.RawMessage { return &protocols.RawMessage{Code: 1, Payload: []byte{0xc0}} }, ignored},
		{"unknown code", func() *protocols.RawMessage { return &protocols.RawMessage{Code: 50, Payload: []byte{0xc0}} }, ignored},
		{"P2P of a stranger", func() *protocols.RawMessage {
			return &protocols.RawMessage{Code: p2pMessageCode, Payload: sealed(t, "text", 0, nil).Encode()}
		}, ignored},
		{"P2P of a stranger, unreadable", func() *protocols.RawMessage {
			return &protocols.RawMessage{Code: p2pMessageCode, Payload: []byte{0x80}}
		}, ignored},
		{"PoW no number", func() *protocols.RawMessage {
			return &protocols.RawMessage{Code: 2, Payload: encode(t, uint64(0x7ff8000000000000))}
		}, ends},
		{"PoW negative", func() *protocols.RawMessage {
			return &protocols.RawMessage{Code: 2, Payload: encode(t, uint64(0xbff0000000000000))}
		}, ends},
		{"bloom of 63", func() *protocols.RawMessage {
			return &protocols.RawMessage{Code: 3, Payload: encode(t, make([]byte, 63))}
		}, ends},
		{"bloom of none", func() *protocols.RawMessage { return &protocols.RawMessage{Code: 3, Payload: []byte{0x80}} }, ends},
	}
}

// lasting gives an envelope a TTL of a minute.
func lasting(e *shh.Envelope) { e.TTL, e.Expiry = 60, e.Expiry+60-e.TTL }

// hashIn returns the hash of the one envelope in a message, or zero if it has none.
func hashIn(t *testing.T, m *protocols.RawMessage) common.Hash {
	t.Helper()
	if m.Code != messagesCode || len(m.Payload) < 10 {
		return common.Hash{}
	}
	return unbundle(t, m)[0].Hash()
}

// archivist is a mail server that records the envelopes added to the pool.
type archivist struct {
	held chan common.Hash
	seen map[common.Hash]bool
}

func (a *archivist) Archive(e *shh.Envelope) { a.held <- e.Hash() }

func (*archivist) Request(protocols.Peer, *shh.Envelope) {}

func (a *archivist) has(hash common.Hash) bool {
	if a.seen == nil {
		a.seen = map[common.Hash]bool{}
	}
	for {
		select {
		case h := <-a.held:
			a.seen[h] = true
			continue
		default:
		}
		return a.seen[hash]
	}
}
