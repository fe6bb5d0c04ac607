package shh_test

import (
	"context"
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

// rawStatus makes a status with any fields.
func rawStatus(t testing.TB, fields ...any) *protocols.RawMessage {
	return &protocols.RawMessage{Payload: encode(t, fields)}
}

func TestStatusSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bloom := topic.Bloom()
		p := remote(t, newWhisper(t, shh.Config{MinPoW: 1.5, Bloom: &bloom, Light: true}), status())
		got := protocoltest.Next[shh.Status](p.B)
		if got.Version != 6 || uint64(got.MinPoW) != math.Float64bits(1.5) || !slices.Equal(got.Bloom, bloom[:]) || !got.Light {
			t.Errorf("status is %+v", got)
		}
	})
}

// TestStatusTaken: only the version is required; fields that are present must be valid;
// later fields are ignored.
func TestStatusTaken(t *testing.T) {
	one := math.Float64bits(1)
	full := make([]byte, 64)
	for i := range full {
		full[i] = 0xff
	}
	type fields = []any
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			fields fields
			light  bool                 // this node
			ends   protocols.DiscReason // zero: the link doesn't end
			minPoW float64
			narrow bool
		}{
			"version alone":     {fields: fields{uint(6)}},
			"version and PoW":   {fields: fields{uint(6), one}, minPoW: 1},
			"empty bloom":       {fields: fields{uint(6), one, []byte{}}, minPoW: 1},
			"full bloom":        {fields: fields{uint(6), one, full}, minPoW: 1},
			"narrow bloom":      {fields: fields{uint(6), one, make([]byte, 64)}, minPoW: 1, narrow: true},
			"light":             {fields: fields{uint(6), one, full, true}, minPoW: 1},
			"later fields":      {fields: fields{uint(6), one, full, false, "later", fields{uint(1)}}, minPoW: 1},
			"odd PoW":           {fields: fields{uint(6), fields{}}},
			"light to light":    {fields: fields{uint(6), one, full, true}, light: true, ends: protocols.DiscUselessPeer},
			"another version":   {fields: fields{uint(5), one}, ends: protocols.DiscIncompatibleVersion},
			"negative PoW":      {fields: fields{uint(6), math.Float64bits(-1)}, ends: protocols.DiscProtocolError},
			"infinite PoW":      {fields: fields{uint(6), math.Float64bits(math.Inf(1))}, ends: protocols.DiscProtocolError},
			"PoW no number":     {fields: fields{uint(6), math.Float64bits(math.NaN())}, ends: protocols.DiscProtocolError},
			"bloom of 63":       {fields: fields{uint(6), one, full[:63]}, ends: protocols.DiscProtocolError},
			"nothing":           {fields: fields{}, ends: protocols.DiscProtocolError},
			"version no number": {fields: fields{fields{}}, ends: protocols.DiscProtocolError},
		} {
			p := remote(t, newWhisper(t, shh.Config{Light: c.light}), rawStatus(t, c.fields...))
			if c.ends != 0 {
				if cause := ended(t, p); cause.Reason != c.ends {
					t.Errorf("%s: ended with %v, want %v", name, cause, c.ends)
				}
				continue
			}
			if info, ok := p.A.PeerInfo().(shh.PeerInfo); !ok || info.MinPoW != c.minPoW || info.Full == c.narrow {
				t.Errorf("%s: peer is %+v, cause %v", name, p.A.PeerInfo(), p.A.Cause())
			}
			send(t, p.B, rawStatus(t, uint(6)))
			if c := ended(t, p); c.Reason != protocols.DiscProtocolError {
				t.Errorf("%s: a second status ended the link with %v", name, c)
			}
		}
	})
}

func TestNoStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		waiting, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Await(waiting); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await without a peer: %v", err)
		}
		remote(t, w, status())
		if err := w.Await(t.Context()); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := remote(t, newWhisper(t, easy), nil)
		if info := p.A.PeerInfo(); info != "handshake" {
			t.Errorf("peer is %+v", info)
		}
		begin := time.Now()
		if c := ended(t, p); c.Reason != protocols.DiscReadTimeout || time.Since(begin) != protocols.DefaultHandshakeTimeout {
			t.Errorf("ended with %v after %v", c, time.Since(begin))
		}
		pow, bloom := shh.PoWRequirement(0), shh.BloomFilter(make([]byte, 64))
		for name, first := range map[string]any{
			"messages": bundle(t), "PoW": &pow, "bloom": &bloom,
			"P2P message": &protocols.RawMessage{Code: p2pMessageCode, Payload: []byte{0xc0}},
		} {
			p := remote(t, newWhisper(t, easy), nil)
			send(t, p.B, first)
			if c := ended(t, p); c.Reason != protocols.DiscProtocolError {
				t.Errorf("%s before the status: ended with %v", name, c)
			}
		}
	})
}

// TestStatusSurvivesACrash: after a crash the restarted actor neither sends nor expects a
// status.
func TestStatusSurvivesACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWhisper(t, easy)
		filter := newFilter(t, w)
		p := remote(t, w, status())
		protocoltest.Next[shh.Status](p.B)
		p.A.Crash()
		send(t, p.B, bundle(t, sealed(t, "after", 1, nil)))
		post(t, w, topic, "answer")
		if got := unbundle(t, protocoltest.Next[protocols.RawMessage](p.B)); len(got) != 1 {
			t.Errorf("%d envelopes arrived, want 1", len(got))
		}
		synctest.Wait()
		if got := texts(t, w, filter); !slices.Equal(got, []string{"after", "answer"}) && !slices.Equal(got, []string{"answer", "after"}) {
			t.Errorf("got %q", got)
		}
	})
}
