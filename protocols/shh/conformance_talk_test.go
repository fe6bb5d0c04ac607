//go:build conformance

package shh_test

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// kinds are the kinds of messages.
var kinds = []struct {
	name         string
	size         int
	asym, signed bool
	padding      hexutil.Bytes
	topic        shh.Topic
}{
	{name: "symmetric", size: 10, topic: topic},
	{name: "symmetric signed", size: 10, signed: true, topic: topic},
	{name: "asymmetric", size: 10, asym: true, topic: topic},
	{name: "asymmetric signed", size: 10, asym: true, signed: true, topic: topic},
	{name: "empty", topic: topic},
	{name: "padding given", size: 10, signed: true, padding: []byte("padding"), topic: topic},
	{name: "large", size: 100_000, topic: topic},
	{name: "bits of the topic in one byte", size: 10, topic: shh.Topic{5, 5, 6, 0}},
}

// testMessages: messages of each kind arrive unchanged in both directions, with bloom
// filters for just these topics.
func testMessages(t *testing.T) {
	for _, weDial := range []bool{true, false} {
		t.Run(fmt.Sprintf("weDial=%v", weDial), func(t *testing.T) {
			asked := topic.Bloom().Or(shh.Topic{5, 5, 6, 0}.Bloom())
			w, o, _ := together(t, shh.Config{MinPoW: 0.00001, Bloom: &asked}, weDial)
			o.call(nil, "test_setMinPoWNow", 0.00001)
			// The original computes the bloom filter of the topics in its own way.
			o.call(nil, "shh_setBloomFilter", hexutil.Bytes(make([]byte, 64)))
			o.filter(topic)
			o.filter(shh.Topic{5, 5, 6, 0})
			for i, c := range kinds {
				t.Run(c.name, func(t *testing.T) {
					o.t = t
					payload := make([]byte, c.size)
					rand.NewChaCha8([32]byte{byte(i)}).Read(payload)
					m := shh.NewMessage{Topic: c.topic, Payload: payload, Padding: c.padding, TTL: 20, PowTarget: 0.0001, PowTime: 60}
					ours(t, w, o, m, c.asym, c.signed)
					theirs(t, w, o, m, c.asym, c.signed)
				})
			}
			o.t = t
		})
	}
}

// ours posts a message on our node, and reads it at the original.
func ours(t *testing.T, w *shh.Whisper, o *original, m shh.NewMessage, asym, signed bool) {
	t.Helper()
	c := shh.Criteria{Topics: []shh.Topic{m.Topic}}
	if asym {
		o.call(&c.PrivateKeyID, "shh_newKeyPair")
		o.call(&m.PublicKey, "shh_getPublicKey", c.PrivateKeyID)
	} else {
		m.SymKeyID = symKeyID(t, w)
		c.SymKeyID = o.symKey()
	}
	if signed {
		m.Sig, c.Sig = keyPair(t, w)
	}
	var filter string
	o.call(&filter, "shh_newMessageFilter", c)
	hash, err := w.Post(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, o.next(filter), m, c.Sig, hash)
}

// theirs posts a message at the original, and reads it on our node.
func theirs(t *testing.T, w *shh.Whisper, o *original, m shh.NewMessage, asym, signed bool) {
	t.Helper()
	c := shh.Criteria{Topics: []shh.Topic{m.Topic}}
	if asym {
		c.PrivateKeyID, m.PublicKey = keyPair(t, w)
	} else {
		m.SymKeyID = o.symKey()
		c.SymKeyID = symKeyID(t, w)
	}
	if signed {
		o.call(&m.Sig, "shh_newKeyPair")
		o.call(&c.Sig, "shh_getPublicKey", m.Sig)
	}
	feed, err := w.Subscribe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var hash hexutil.Bytes
	o.call(&hash, "shh_post", m)
	compare(t, next(t, feed), m, c.Sig, common.BytesToHash(hash))
}

func keyPair(t *testing.T, w *shh.Whisper) (id string, public hexutil.Bytes) {
	t.Helper()
	var key *ecdsa.PrivateKey = fixture.Key(t)
	id, err := w.AddPrivateKey(crypto.FromECDSA(key))
	if err != nil {
		t.Fatal(err)
	}
	return id, crypto.FromECDSAPub(&key.PublicKey)
}

func compare(t *testing.T, got *shh.Message, posted shh.NewMessage, signer []byte, hash common.Hash) {
	t.Helper()
	if !bytes.Equal(got.Payload, posted.Payload) || !bytes.Equal(got.Sig, signer) || got.Topic != posted.Topic || got.TTL != posted.TTL ||
		!bytes.Equal(got.Hash, hash.Bytes()) || !bytes.Equal(got.Dst, posted.PublicKey) || got.PoW < posted.PowTarget ||
		posted.Padding != nil && !bytes.Equal(got.Padding, posted.Padding) {
		t.Errorf("got %+v\nposted %+v", got, posted)
	}
}

// testDemands: each side sends the envelopes that match the other's PoW and topics, and
// the rest when the other lowers its demand. The link doesn't end.
func testDemands(t *testing.T) {
	narrow, full := topic.Bloom(), shh.FullBloom()
	w, o, n := together(t, shh.Config{MinPoW: 0.3, Bloom: &narrow}, true)
	feed, err := w.Subscribe(t.Context(), shh.Criteria{SymKeyID: symKeyID(t, w), Topics: []shh.Topic{topic}})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[common.Hash]string{}
	make3 := func(side string) (weak, other *shh.Envelope, strong [2]*shh.Envelope) {
		for weak == nil || weak.PoW() >= 0.3 {
			weak = sealed(t, "weak", 0.02, lasting)
		}
		other = sealed(t, "other", 0.4, func(e *shh.Envelope) {
			lasting(e)
			e.Topic = otherTopic
		})
		for i := range strong {
			strong[i] = sealed(t, "strong", 0.4, lasting)
		}
		ids[weak.Hash()], ids[other.Hash()] = side+" weak", side+" other"
		return weak, other, strong
	}

	// From them to us. When the second strong envelope has arrived, every other one that
	// was sent has arrived too.
	o.call(nil, "test_setMinPoWNow", 0.001)
	weak, other, strong := make3("their")
	o.inject(weak)
	o.inject(other)
	for _, e := range strong {
		o.inject(e)
		if got := next(t, feed); !bytes.Equal(got.Hash, e.Hash().Bytes()) {
			t.Errorf("%s %x arrived instead of a strong one", ids[common.BytesToHash(got.Hash)], got.Hash)
		}
	}
	if got := w.Info().Messages; got != 2 {
		t.Errorf("%d envelopes have arrived, want the two that match the demand", got)
	}
	if err := w.SetMinPoW(0.001); err != nil {
		t.Fatal(err)
	}
	if got := next(t, feed); !bytes.Equal(got.Hash, weak.Hash().Bytes()) {
		t.Errorf("%x arrived after the minimum PoW was lowered", got.Hash)
	}
	w.SetBloomFilter(full)
	actortest.Eventually(t, "the other topic", func() bool { return w.Info().Messages == 4 })

	// From us to them.
	o.call(nil, "test_setMinPoWNow", 0.3)
	o.call(nil, "shh_setBloomFilter", hexutil.Bytes(narrow[:]))
	actortest.Eventually(t, "their demand", func() bool {
		info, ok := n.Peers()[0].Protocols["shh"].(shh.PeerInfo)
		return ok && info.MinPoW == 0.3 && !info.Full
	})
	weak, other, strong = make3("our")
	for _, e := range []*shh.Envelope{weak, other, strong[0], strong[1]} {
		if err := w.Send(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range strong {
		actortest.Eventually(t, "the strong ones", func() bool { return o.pooled(e.Hash()) })
	}
	if o.pooled(weak.Hash()) || o.pooled(other.Hash()) {
		t.Error("the original received envelopes that don't match its demand")
	}
	o.call(nil, "test_setMinPoWNow", 0.001)
	actortest.Eventually(t, "the weak one", func() bool { return o.pooled(weak.Hash()) })
	o.call(nil, "shh_setBloomFilter", hexutil.Bytes(full[:]))
	actortest.Eventually(t, "the other topic", func() bool { return o.pooled(other.Hash()) })
	var peers int
	if o.call(&peers, "test_peers"); peers != 1 || len(n.Peers()) != 1 || n.Peers()[0].Inbound {
		t.Errorf("%d links at the original and %d at our node, want 1 each, dialed by our node", peers, len(n.Peers()))
	}
}

// testTTL: envelopes expire on both sides.
func testTTL(t *testing.T) {
	w, o, _ := together(t, easy, false)
	o.call(nil, "test_setMinPoWNow", 0.001)
	for _, side := range []string{"theirs", "ours"} {
		e := sealed(t, side, 0.3, nil)
		if side == "theirs" {
			o.inject(e)
		} else if err := w.Send(e); err != nil {
			t.Fatal(err)
		}
		actortest.Eventually(t, "the envelope", func() bool { return o.pooled(e.Hash()) && w.Info().Messages == 1 })
		actortest.Eventually(t, "the envelope's expiry", func() bool { return !o.pooled(e.Hash()) && w.Info().Messages == 0 })
	}
}

// testP2P: P2P requests and messages arrive in both directions, whatever their PoW and age.
func testP2P(t *testing.T) {
	mail := &chanPostman{requests: make(chan *shh.Envelope, 1)}
	w, o, n := together(t, shh.Config{MailServer: mail}, true)
	old := func(text string) *shh.Envelope {
		return sealed(t, text, 0, func(e *shh.Envelope) { e.Expiry -= 1_000_000 })
	}
	// Our node asks, and the original answers.
	feed, err := w.Subscribe(t.Context(), shh.Criteria{SymKeyID: symKeyID(t, w), AllowP2P: true})
	if err != nil {
		t.Fatal(err)
	}
	request := sealed(t, "request", 0, nil)
	if err := w.RequestHistoricMessages(o.enode, request); err != nil {
		t.Fatal(err)
	}
	var got common.Hash
	if o.call(&got, "test_nextRequest"); got != request.Hash() {
		t.Errorf("the original got request %v, want %v", got, request.Hash())
	}
	us := n.Self().URLv4()
	o.call(nil, "test_sendDirect", us, hexutil.Bytes(old("their mail").Encode()))
	if m := next(t, feed); string(m.Payload) != "their mail" {
		t.Errorf("got %q", m.Payload)
	}
	// The original asks, and our node answers.
	filter := o.filter(topic)
	o.call(nil, "test_requestMail", us, hexutil.Bytes(request.Encode()))
	if e := <-mail.requests; e.Hash() != request.Hash() {
		t.Errorf("our node got request %v, want %v", e.Hash(), request.Hash())
	}
	if err := w.SendP2P(o.enode, old("our mail")); err != nil {
		t.Fatal(err)
	}
	if m := o.next(filter); string(m.Payload) != "our mail" {
		t.Errorf("the original got %q", m.Payload)
	}
}

// testCommands: node shh send and node shh listen communicate through an original node,
// and decrypt messages that were posted there with the same password.
func testCommands(t *testing.T) {
	o := startOriginal(t)
	binary := filepath.Join(t.TempDir(), "node")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	shhCommand := func(command string, more ...string) string {
		t.Helper()
		args := append([]string{"shh", command, "--peer", o.enode, "--password", "secret", "--topic", "cafe0007"}, more...)
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	var m shh.NewMessage
	o.call(&m.SymKeyID, "shh_generateSymKeyFromPassword", "secret")
	var filter string
	o.call(&filter, "shh_newMessageFilter", shh.Criteria{SymKeyID: m.SymKeyID, Topics: []shh.Topic{topic}})
	hash := strings.TrimSpace(shhCommand("send", "from here"))
	if got := o.next(filter); string(got.Payload) != "from here" || got.Hash.String() != hash {
		t.Errorf("the original got %q, %v; %s was sent", got.Payload, got.Hash, hash)
	}
	m.Topic, m.TTL, m.Payload, m.PowTarget, m.PowTime = topic, 50, []byte("from there"), 0.3, 60
	o.call(nil, "shh_post", m)
	if got := shhCommand("listen", "--count", "2"); !strings.Contains(got, "from here") || !strings.Contains(got, "from there") {
		t.Errorf("listen printed %q", got)
	}
}
