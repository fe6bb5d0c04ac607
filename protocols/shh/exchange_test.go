package shh_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// nodes links two nodes and returns after the status exchange.
func nodes(t *testing.T, cfgA, cfgB shh.Config, opts ...protocoltest.Option) (a, b *shh.Whisper, p *protocoltest.Pair) {
	t.Helper()
	a, b = newWhisper(t, cfgA), newWhisper(t, cfgB)
	p = protocoltest.NewPair(t, a.Spec(), b.Spec(), opts...)
	synctest.Wait()
	return a, b, p
}

// TestMessages: each kind of message arrives unchanged at the filters that match it.
func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := nodes(t, easy, easy)
		signer, err := a.NewKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		signerKey, err := a.GetPublicKey(signer)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := b.NewKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		readerKey, err := b.GetPublicKey(reader)
		if err != nil {
			t.Fatal(err)
		}
		bySym := newFilter(t, b, topic)
		byAsym, err := b.NewMessageFilter(shh.Criteria{PrivateKeyID: reader})
		if err != nil {
			t.Fatal(err)
		}
		bySigner, err := b.NewMessageFilter(shh.Criteria{SymKeyID: symKeyID(t, b), Sig: signerKey})
		if err != nil {
			t.Fatal(err)
		}
		subscribed, cancel := context.WithCancel(t.Context())
		feed, err := b.Subscribe(subscribed, shh.Criteria{SymKeyID: symKeyID(t, b), Topics: []shh.Topic{otherTopic}})
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range []shh.NewMessage{
			{SymKeyID: symKeyID(t, a), Topic: topic},
			{SymKeyID: symKeyID(t, a), Topic: topic, Sig: signer, Padding: []byte("pad")},
			{PublicKey: readerKey, Topic: otherTopic, TTL: 10},
			{PublicKey: readerKey, Sig: signer},
			{SymKeyID: symKeyID(t, a), Topic: otherTopic, Sig: signer},
		} {
			m.Payload = []byte{byte(i)}
			hash, err := a.Post(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			var got []string
			for name, filter := range map[string]string{"symmetric": bySym, "asymmetric": byAsym, "signer": bySigner} {
				messages, err := b.GetFilterMessages(filter)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range messages {
					got = append(got, name)
					checkReceived(t, r, m, hash.Bytes(), signerKey, readerKey)
				}
			}
			slices.Sort(got)
			want := [][]string{{"symmetric"}, {"signer", "symmetric"}, {"asymmetric"}, {"asymmetric"}, {"signer"}}[i]
			if !slices.Equal(got, want) {
				t.Errorf("message %d arrived at %v, want %v", i, got, want)
			}
		}
		checkReceived(t, <-feed, shh.NewMessage{SymKeyID: "x", Payload: []byte{4}, Topic: otherTopic, Sig: signer}, nil, signerKey, readerKey)
		cancel()
		if m, open := <-feed; open {
			t.Errorf("message after the end of the subscription: %+v", m)
		}
	})
}

// checkReceived compares a received message with the posted one.
func checkReceived(t *testing.T, got *shh.Message, posted shh.NewMessage, hash, signer, reader hexutil.Bytes) {
	t.Helper()
	if posted.Sig == "" {
		signer = nil
	}
	if posted.SymKeyID != "" {
		reader = nil
	}
	ttl := posted.TTL
	if ttl == 0 {
		ttl = shh.DefaultTTL
	}
	if !slices.Equal(got.Payload, posted.Payload) || !slices.Equal(got.Sig, signer) || !slices.Equal(got.Dst, reader) ||
		got.Topic != posted.Topic || got.TTL != ttl || got.Timestamp != uint32(time.Now().Unix()) || got.PoW < 0.001 ||
		hash != nil && !slices.Equal(got.Hash, hash) || posted.Padding != nil && !slices.Equal(got.Padding, posted.Padding) {
		t.Errorf("got %+v, posted %+v", got, posted)
	}
}

// TestPoolForNewcomers: a peer that connects later gets the envelopes that are still in the
// pool; one that connects after their expiry gets none.
func TestPoolForNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		post(t, w, topic, "early")
		if info := w.Info(); info.Messages != 1 || info.Memory < 300 || info.MinPow != 0.001 || info.MaxMessageSize != 1<<20 {
			t.Errorf("info is %+v", info)
		}
		time.Sleep((shh.DefaultTTL - 1) * time.Second)
		for range 2 {
			p := remote(t, w, status())
			protocoltest.Next[shh.Status](p.B)
			if got := unbundle(t, protocoltest.Next[protocols.RawMessage](p.B)); len(got) != 1 {
				t.Errorf("%d envelopes arrived, want 1", len(got))
			}
		}
		time.Sleep(3 * time.Second)
		if info := w.Info(); info.Messages != 0 || info.Memory != 0 {
			t.Errorf("info after the envelope's expiry is %+v", info)
		}
		late := newWhisper(t, easy)
		filter := newFilter(t, late)
		protocoltest.NewPair(t, w.Spec(), late.Spec())
		synctest.Wait()
		if got := texts(t, late, filter); got != nil {
			t.Errorf("after their expiry, %q arrived", got)
		}
	})
}

// TestOnce: an envelope that several peers send, or one peer several times, is delivered
// once and is not sent to a peer that has it.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		filter := newFilter(t, w)
		var ends []*protocoltest.Pair
		for range 3 {
			p := remote(t, w, status())
			protocoltest.Next[shh.Status](p.B)
			ends = append(ends, p)
		}
		e := sealed(t, "once", 0.01, nil)
		send(t, ends[0].B, bundle(t, e, e))
		send(t, ends[0].B, bundle(t, e))
		if got := unbundle(t, protocoltest.Next[protocols.RawMessage](ends[1].B)); len(got) != 1 || got[0].Hash() != e.Hash() {
			t.Errorf("%d envelopes were forwarded", len(got))
		}
		synctest.Wait()
		send(t, ends[1].B, bundle(t, e))
		synctest.Wait()
		if got := texts(t, w, filter); !slices.Equal(got, []string{"once"}) {
			t.Errorf("got %q", got)
		}
		// The next message for each peer has the next envelope.
		post(t, w, topic, "next")
		protocoltest.Next[protocols.RawMessage](ends[2].B) // the first
		for _, p := range ends {
			if got := unbundle(t, protocoltest.Next[protocols.RawMessage](p.B)); len(got) != 1 || got[0].Hash() == e.Hash() {
				t.Errorf("%d envelopes arrived, or the old one", len(got))
			}
		}
	})
}

// TestOldPlaces: an envelope that gets the slot of an expired one is sent to peers that had
// the expired one.
func TestOldPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		p := remote(t, w, status())
		protocoltest.Next[shh.Status](p.B)
		for range 3 {
			e := sealed(t, "text", 0.01, nil)
			if err := w.Send(e); err != nil {
				t.Fatal(err)
			}
			if got := unbundle(t, protocoltest.Next[protocols.RawMessage](p.B)); len(got) != 1 || got[0].Hash() != e.Hash() {
				t.Errorf("%d envelopes arrived, want 1", len(got))
			}
			time.Sleep(10 * time.Second)
		}
	})
}

// TestOutbid: an envelope that the next one of the same message evicts is not forwarded,
// and the next one is.
func TestOutbid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, shh.Config{MinPoW: 0.001, PoolEnvelopes: 1})
		from, to := remote(t, w, status()), remote(t, w, status())
		protocoltest.Next[shh.Status](to.B)
		cheap, dear := exactly(t, 0.01, nil), exactly(t, 1, nil)
		send(t, from.B, bundle(t, cheap, dear))
		if got := unbundle(t, protocoltest.Next[protocols.RawMessage](to.B)); len(got) != 1 || got[0].Hash() != dear.Hash() {
			t.Errorf("%d envelopes arrived, or the wrong one", len(got))
		}
	})
}

// TestItHasIt: a peer does not get an envelope that it has sent, even if this node had it
// before and the peer's filter matches it only later.
func TestItHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		p := remote(t, w, &shh.Status{Version: 6, Bloom: make([]byte, shh.BloomSize)})
		protocoltest.Next[shh.Status](p.B)
		e, next := sealed(t, "text", 0.01, nil), sealed(t, "text", 0.01, nil)
		if err := w.Send(e); err != nil {
			t.Fatal(err)
		}
		send(t, p.B, bundle(t, e))
		synctest.Wait() // otherwise the bloom filter, which is urgent, overtakes it
		full := shh.FullBloom()
		wider := shh.BloomFilter(full[:])
		send(t, p.B, &wider)
		synctest.Wait()
		if err := w.Send(next); err != nil {
			t.Fatal(err)
		}
		if got := unbundle(t, protocoltest.Next[protocols.RawMessage](p.B)); len(got) != 1 || got[0].Hash() != next.Hash() {
			t.Errorf("%d envelopes arrived, or the wrong one", len(got))
		}
	})
}

// TestManyDemands: a peer that does not read for a while receives the last demand, however
// many there were.
func TestManyDemands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		patient := shh.Config{Rate: shh.Rate{EnvelopesBurst: 1e9}}
		a, _, p := nodes(t, easy, patient, protocoltest.Buffer(10_000))
		p.B.Pause()
		const changes = 20_000
		for i := range changes {
			if err := a.SetMinPoW(float64(i)); err != nil {
				t.Fatal(err)
			}
		}
		a.SetBloomFilter(topic.Bloom())
		synctest.Wait()
		p.B.Resume()
		synctest.Wait()
		if info, ok := p.B.PeerInfo().(shh.PeerInfo); !ok || info.MinPoW != changes-1 || info.Full {
			t.Errorf("B's information on A is %+v, cause %v", p.B.PeerInfo(), p.B.Cause())
		}
	})
}

// TestFullOutbox: a peer that does not read for a while gets all envelopes later, each once,
// and doesn't block the sender.
func TestFullOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, p := nodes(t, easy, easy, protocoltest.Buffer(10_000))
		filter := newFilter(t, b)
		p.B.Pause()
		var want []string
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
			if err := a.Send(large(t, want[i])); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.SetMinPoW(0.002); err != nil { // is announced later, too
			t.Fatal(err)
		}
		synctest.Wait()
		if got := texts(t, b, filter); len(got) > 2 {
			t.Fatalf("%d messages have arrived although B doesn't read", len(got))
		}
		p.B.Resume()
		synctest.Wait()
		got := texts(t, b, filter)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
		if info := p.B.PeerInfo().(shh.PeerInfo); info.MinPoW != 0.002 || info.Received != 40 {
			t.Errorf("B's information on A is %+v", info)
		}
		if info := p.A.PeerInfo().(shh.PeerInfo); info.Sent != 40 {
			t.Errorf("A's information on B is %+v", info)
		}
	})
}

// TestTwoFullPools: two nodes that meet send each other their whole pools at the same time. That
// is more than the connection, the outboxes and the inboxes hold. Envelopes are no answers, so
// that both nodes go on handling what they receive.
func TestTwoFullPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 60
		a, b := newWhisper(t, easy), newWhisper(t, easy)
		for i := range each {
			for name, w := range map[string]*shh.Whisper{"a": a, "b": b} {
				if err := w.Send(large(t, fmt.Sprint(name, i))); err != nil {
					t.Fatal(err)
				}
			}
		}
		p := protocoltest.NewPair(t, a.Spec(), b.Spec(), protocoltest.Buffer(10_000))
		synctest.Wait()
		if atA, atB := a.Info().Messages, b.Info().Messages; atA != 2*each || atB != 2*each {
			t.Errorf("A holds %d envelopes and B %d, want %d; the link has ended: %v", atA, atB, 2*each, p.A.Cause())
		}
	})
}

// large makes an envelope that fills a large part of an outbox.
func large(t *testing.T, text string) *shh.Envelope {
	l := shh.Letter{SymKey: symKey, Topic: topic, Payload: []byte(text), Padding: make([]byte, 100_000), TTL: 5}
	e, err := l.Envelope(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Seal(t.Context(), 0.002); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestLightNode: a light node receives messages and posts its own, and forwards none.
func TestLightNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, shh.Config{MinPoW: 0.001, Light: true})
		filter := newFilter(t, w)
		from, to := remote(t, w, status()), remote(t, w, status())
		protocoltest.Next[shh.Status](to.B)
		foreign := sealed(t, "foreign", 0.01, nil)
		send(t, from.B, bundle(t, foreign))
		synctest.Wait()
		post(t, w, topic, "own")
		if got := unbundle(t, protocoltest.Next[protocols.RawMessage](to.B)); len(got) != 1 || got[0].Hash() == foreign.Hash() {
			t.Errorf("%d envelopes were forwarded", len(got))
		}
		if got := texts(t, w, filter); !slices.Equal(got, []string{"foreign", "own"}) {
			t.Errorf("got %q", got)
		}
	})
}
