package shh_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// TestUnacceptable: which envelopes end the link, which are dropped, and which are accepted.
func TestUnacceptable(t *testing.T) {
	now := func(e *shh.Envelope, seconds int) { e.Expiry = uint32(int64(e.Expiry) + int64(seconds)) }
	for name, c := range map[string]struct {
		pow    float64
		change func(*shh.Envelope)
		ends   error // nil: the link doesn't end
		comes  bool
	}{
		"good":              {0.5, nil, nil, true},
		"ten seconds early": {1.5, func(e *shh.Envelope) { now(e, 10) }, nil, true},
		"from the future":   {0.5, func(e *shh.Envelope) { now(e, 11) }, shh.ErrFromFuture, false},
		"expired":           {0.5, func(e *shh.Envelope) { now(e, -20) }, nil, false},
		"long expired":      {0.5, func(e *shh.Envelope) { now(e, -30) }, shh.ErrLongExpired, false},
		"no work":           {0, nil, shh.ErrTooLowPoW, false},
		"another topic":     {0.5, func(e *shh.Envelope) { e.Topic = otherTopic }, shh.ErrNotAskedFor, false},
		"too large":         {0.01, func(e *shh.Envelope) { e.Data = make([]byte, 10_000) }, shh.ErrOversized, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bloom := topic.Bloom()
				w := newWhisper(t, shh.Config{MinPoW: 0.4, Bloom: &bloom, MaxMessageSize: 2000})
				filter := newFilter(t, w, topic)
				p := remote(t, w, status())
				send(t, p.B, bundle(t, sealed(t, "text", c.pow, c.change)))
				if c.ends != nil {
					if cause := ended(t, p); cause.Reason != protocols.DiscSubprotocolError || !errors.Is(cause, c.ends) {
						t.Errorf("ended with %v, want %v", cause, c.ends)
					}
				}
				synctest.Wait()
				if cause := p.A.Cause(); c.ends == nil && cause != nil {
					t.Errorf("ended with %v", cause)
				}
				if got := texts(t, w, filter); (len(got) == 1) != c.comes {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

// TestUnreadable: bytes that don't match their message code end the link with a breach of
// protocol.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nan, short := shh.PoWRequirement(math.Float64bits(math.NaN())), shh.BloomFilter(make([]byte, 63))
		good := encode(t, sealed(t, "text", 0.01, nil))
		for name, msg := range map[string]any{
			"no list":        &protocols.RawMessage{Code: messagesCode, Payload: []byte{0x80}},
			"bytes after it": &protocols.RawMessage{Code: messagesCode, Payload: []byte{0xc0, 0xc0}},
			"half a list":    &protocols.RawMessage{Code: messagesCode, Payload: []byte{0xc2, 0xc1}},
			"no envelope":    &protocols.RawMessage{Code: messagesCode, Payload: []byte{0xc1, 0xc0}},
			"one more field": &protocols.RawMessage{Code: messagesCode, Payload: encode(t, []any{[]any{good}})},
			"no number":      &nan,
			"short bloom":    &short,
		} {
			p := remote(t, newWhisper(t, easy), status())
			send(t, p.B, msg)
			if c := ended(t, p); c.Reason != protocols.DiscProtocolError || c.Err == nil {
				t.Errorf("%s: ended with %v", name, c)
			}
		}
	})
}

// TestLargeMessage: a message with several envelopes has the same size limit as one envelope.
func TestLargeMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := remote(t, newWhisper(t, shh.Config{MinPoW: 0.001, MaxMessageSize: 2000}), status())
		var all []*shh.Envelope
		for range 10 {
			all = append(all, sealed(t, "text", 0.01, nil))
		}
		send(t, p.B, bundle(t, all...))
		if c := ended(t, p); c.Reason != protocols.DiscSubprotocolError || !errors.Is(c, shh.ErrOversized) {
			t.Errorf("ended with %v", c)
		}
	})
}

// TestBeforeTheBadOne: envelopes that precede, in the same message, one that ends the link
// are accepted.
func TestBeforeTheBadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		filter := newFilter(t, w)
		p := remote(t, w, status())
		good := sealed(t, "good", 0.01, nil)
		bad := sealed(t, "bad", 0.01, func(e *shh.Envelope) { e.Expiry += 100 })
		send(t, p.B, bundle(t, good, bad))
		ended(t, p)
		if got := texts(t, w, filter); !slices.Equal(got, []string{"good"}) {
			t.Errorf("got %q", got)
		}
	})
}

// TestUnknownCodes: codes of later versions are ignored.
func TestUnknownCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		spec := remoteSpec()
		for code := 4; code < 126; code++ {
			spec.Versions[0].Messages[code] = protocols.Raw()
		}
		p := protocoltest.NewPair(t, w.Spec(), protocoltest.ByHand(spec))
		send(t, p.B, status())
		for _, code := range []uint64{4, 11, 125} {
			send(t, p.B, &protocols.RawMessage{Code: code, Payload: []byte{0xff}})
		}
		synctest.Wait()
		if c := p.A.Cause(); c != nil {
			t.Errorf("ended with %v", c)
		}
	})
}

// TestPeersDemand: a peer gets the envelopes that match its PoW and topics, and the rest
// when it lowers its demand.
func TestPeersDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		bloom := topic.Bloom()
		p := remote(t, w, &shh.Status{Version: 6, MinPoW: shh.PoWRequirement(math.Float64bits(0.5)), Bloom: bloom[:]})
		protocoltest.Next[shh.Status](p.B)
		wanted := sealed(t, "wanted", 0.5, nil)
		weak := sealed(t, "weak", 0.1, nil)
		for weak.PoW() >= 0.5 {
			weak = sealed(t, "weak", 0.1, nil)
		}
		other := sealed(t, "other", 0.5, func(e *shh.Envelope) { e.Topic = otherTopic })
		for _, e := range []*shh.Envelope{weak, other, wanted} {
			if err := w.Send(e); err != nil {
				t.Fatal(err)
			}
		}
		next := func(want *shh.Envelope) {
			t.Helper()
			if got := unbundle(t, protocoltest.Next[protocols.RawMessage](p.B)); len(got) != 1 || got[0].Hash() != want.Hash() {
				t.Errorf("got %d envelopes, or the wrong one", len(got))
			}
		}
		next(wanted)
		lower := shh.PoWRequirement(math.Float64bits(0.1))
		send(t, p.B, &lower)
		next(weak)
		full := shh.FullBloom()
		wider := shh.BloomFilter(full[:])
		send(t, p.B, &wider)
		next(other)
		if info := p.A.PeerInfo().(shh.PeerInfo); info.MinPoW != 0.1 || !info.Full || info.Sent != 3 {
			t.Errorf("peer is %+v", info)
		}
	})
}

// TestOwnDemand: a new demand is announced to peers, which have ten seconds to follow it.
func TestOwnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bloom := topic.Bloom()
		w := newWhisper(t, shh.Config{MinPoW: 0.01, Bloom: &bloom})
		p := remote(t, w, status())
		protocoltest.Next[shh.Status](p.B)
		if err := w.SetMinPoW(5); err != nil {
			t.Fatal(err)
		}
		if got := protocoltest.Next[shh.PoWRequirement](p.B); float64(math.Float64frombits(uint64(*got))) != 5 {
			t.Errorf("announced %v", *got)
		}
		newFilter(t, w, otherTopic)
		wider := bloom.Or(otherTopic.Bloom())
		if got := protocoltest.Next[shh.BloomFilter](p.B); !slices.Equal(*got, wider[:]) {
			t.Errorf("announced %x", *got)
		}
		newFilter(t, w, topic, otherTopic) // doesn't widen the bloom filter
		newFilter(t, w)
		if got := protocoltest.Next[shh.BloomFilter](p.B); len(*got) != 64 || shh.Bloom(*got) != shh.FullBloom() {
			t.Errorf("announced %x", *got)
		}
		w.SetBloomFilter(otherTopic.Bloom())
		protocoltest.Next[shh.BloomFilter](p.B)
		time.Sleep(9 * time.Second)
		send(t, p.B, bundle(t, sealed(t, "by the former demand", 0.01, nil)))
		synctest.Wait()
		if c := p.A.Cause(); c != nil {
			t.Errorf("ended with %v", c)
		}
		time.Sleep(time.Second)
		send(t, p.B, bundle(t, sealed(t, "too late for that", 0.01, nil)))
		if c := ended(t, p); !errors.Is(c, shh.ErrTooLowPoW) {
			t.Errorf("ended with %v", c)
		}
		for _, pow := range []float64{-1, math.Inf(1), math.NaN()} {
			if err := w.SetMinPoW(pow); err == nil {
				t.Errorf("a minimum PoW of %v was accepted", pow)
			}
		}
	})
}

// TestDemandDuringHandshake: a demand that changes between the two statuses is announced
// after the handshake.
func TestDemandDuringHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		p := remote(t, w, nil)
		if got := protocoltest.Next[shh.Status](p.B); math.Float64frombits(uint64(got.MinPoW)) != 0.001 {
			t.Errorf("status is %+v", got)
		}
		if err := w.SetMinPoW(5); err != nil {
			t.Fatal(err)
		}
		send(t, p.B, status())
		if got := protocoltest.Next[shh.PoWRequirement](p.B); math.Float64frombits(uint64(*got)) != 5 {
			t.Errorf("announced %v", *got)
		}
		protocoltest.Next[shh.BloomFilter](p.B)
	})
}

// TestFlood: envelopes that exceed a peer's rate are dropped, and if the peer goes on, the
// link ends.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, shh.Config{MinPoW: 0.001, Rate: shh.Rate{Envelopes: 1, EnvelopesBurst: 100, Bytes: 1e6}})
		p := remote(t, w, status())
		e := sealed(t, "text", 0.01, nil)
		hundred := slices.Repeat([]*shh.Envelope{e}, 100)
		send(t, p.B, bundle(t, hundred...))
		send(t, p.B, bundle(t, hundred...))
		synctest.Wait()
		if info, ok := p.A.PeerInfo().(shh.PeerInfo); !ok || info.Received != 100 || info.Dropped != 100 {
			t.Errorf("peer is %+v", p.A.PeerInfo())
		}
		send(t, p.B, bundle(t, e))
		if c := ended(t, p); c.Reason != protocols.DiscUselessPeer || !errors.Is(c, shh.ErrFlood) {
			t.Errorf("ended with %v", c)
		}
		p = remote(t, w, status())
		lower := shh.PoWRequirement(0)
		for range 5 {
			send(t, p.B, &lower)
		}
		if c := ended(t, p); !errors.Is(c, shh.ErrFlood) {
			t.Errorf("ended with %v", c)
		}
	})
}

// TestFloodThroughCrashes: a crash of the link's actor doesn't refill a peer's allowance.
// Otherwise a peer with a message that crashes the actor could evade its rate.
func TestFloodThroughCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, shh.Config{MinPoW: 0.001, Rate: shh.Rate{Envelopes: 0.001, EnvelopesBurst: 100, Bytes: 1e6}})
		e := sealed(t, "text", 0.01, nil)
		half := bundle(t, slices.Repeat([]*shh.Envelope{e}, 50)...)
		for name, c := range map[string]struct {
			spec  func(protocols.Spec) protocols.Spec
			crash func(*protocoltest.Pair)
		}{
			"a message's": {
				func(s protocols.Spec) protocols.Spec { return protocoltest.CrashAfter(s, 1, 2, 3) },
				func(*protocoltest.Pair) {},
			},
			"injected": {
				func(s protocols.Spec) protocols.Spec { return s },
				func(p *protocoltest.Pair) { p.A.Crash() },
			},
		} {
			p := protocoltest.NewPair(t, c.spec(w.Spec()), protocoltest.ByHand(remoteSpec()))
			send(t, p.B, status())
			for n, want := range []struct{ received, dropped uint64 }{{50, 0}, {100, 0}, {100, 50}} {
				send(t, p.B, half)
				synctest.Wait()
				c.crash(p)
				time.Sleep(time.Second) // longer than a restart's backoff; refills a thousandth of an envelope
				if info, ok := p.A.PeerInfo().(shh.PeerInfo); !ok || info.Received != want.received || info.Dropped != want.dropped {
					t.Errorf("%s: after %d crashes the peer is %+v, want %+v", name, n+1, p.A.PeerInfo(), want)
				}
			}
			if n := p.A.Restarts(); n < 2 {
				t.Errorf("%s: %d restarts", name, n)
			}
			send(t, p.B, half)
			send(t, p.B, bundle(t, e))
			if c := p.A.Wait(); !errors.Is(c, shh.ErrFlood) {
				t.Errorf("%s: ended with %v", name, c)
			}
		}
	})
}
