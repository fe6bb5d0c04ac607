package shh_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/shh"
)

func TestTopicText(t *testing.T) {
	for text, want := range map[string]string{
		"cafe0007": "0xcafe0007", "0xCAFE0007": "0xcafe0007", "0X00000000": "0x00000000",
		"": "", "0x": "", "cafe00": "", "cafe000700": "", "cafe000": "", "wxyzwxyz": "",
	} {
		topic, err := shh.TopicOf(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q was parsed as %v, want an error", text, topic)
		case want != "" && (err != nil || topic.String() != want):
			t.Errorf("%q is %v, %v; want %s", text, topic, err, want)
		}
	}
}

func TestBloom(t *testing.T) {
	a, b := shh.Topic{1, 20, 200, 0}.Bloom(), shh.Topic{1, 20, 200, 7}.Bloom()
	full := shh.FullBloom()
	if a == b || a.Matches(b) || b.Matches(a) {
		t.Error("the fourth byte makes no difference")
	}
	if both := a.Or(b); !both.Matches(a) || !both.Matches(b) || both.Full() {
		t.Error("the union of two filters doesn't match what each matches")
	}
	if !full.Matches(a) || !full.Full() || a.Matches(full) || !a.Matches(shh.Bloom{}) {
		t.Error("full and empty filters")
	}
}

// TestNoEnvelope: the error reports each way in which bytes can fail to be an envelope.
func TestNoEnvelope(t *testing.T) {
	encode := func(v any) []byte {
		b, err := rlp.EncodeToBytes(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	topic, data := []byte{1, 2, 3, 4}, []byte("data")
	type list = []any
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"nothing":        {nil, "invalid envelope"},
		"string":         {encode("text"), "invalid envelope"},
		"four fields":    {encode(list{uint(1), uint(2), topic, data}), "nonce"},
		"six fields":     {encode(list{uint(1), uint(2), topic, data, uint(3), uint(4)}), "more than five"},
		"bytes after it": {append(encode(list{uint(1), uint(2), topic, data, uint(3)}), 0), "1 bytes after it"},
		"long expiry":    {encode(list{uint64(1 << 32), uint(2), topic, data, uint(3)}), "expiry: 4294967296"},
		"long TTL":       {encode(list{uint(1), uint64(1 << 32), topic, data, uint(3)}), "TTL: 4294967296"},
		"short topic":    {encode(list{uint(1), uint(2), topic[:3], data, uint(3)}), "topic of 3"},
		"long topic":     {encode(list{uint(1), uint(2), "12345", data, uint(3)}), "topic of 5"},
		"list for data":  {encode(list{uint(1), uint(2), topic, list{}, uint(3)}), "data"},
		"leading zero":   {encode(list{[]byte{0, 1}, uint(2), topic, data, uint(3)}), "expiry"},
		"nonce of nine":  {encode(list{uint(1), uint(2), topic, data, []byte("123456789")}), "nonce"},
		"list for nonce": {encode(list{uint(1), uint(2), topic, data, list{}}), "nonce"},
	} {
		if e, err := shh.ParseEnvelope(c.raw); !errors.Is(err, shh.ErrEnvelope) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want an error with %q", name, e, err, c.want)
		}
	}
}

func TestSeal(t *testing.T) {
	for _, size := range []int{0, 1, 119, 120, 1000, 100_000} {
		for _, pow := range []float64{0.001, 0.2} {
			e := shh.Envelope{Expiry: 1_700_000_050, TTL: 5, Topic: shh.Topic{1}, Data: make([]byte, size)}
			if size > 1000 {
				pow /= 1000 // for a large envelope this needs as many bits
			}
			if err := e.Seal(t.Context(), pow); err != nil {
				t.Fatal(err)
			}
			if got := e.PoW(); got < pow {
				t.Errorf("%d bytes sealed with %v have %v", size, pow, got)
			}
			// The EIP's definition of size is satisfied as well.
			withoutNonce := e
			withoutNonce.Nonce = 0
			if got := e.PoW() * float64(len(withoutNonce.Encode())-1) / float64(len(e.Encode())); got < pow {
				t.Errorf("%d bytes sealed with %v have %v, measured by the whole size", size, pow, got)
			}
		}
	}
}

func TestSealGivesUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	e := shh.Envelope{Expiry: 1_700_000_050, TTL: 50, Data: make([]byte, 100)}
	if err := e.Seal(ctx, 1e30); !errors.Is(err, shh.ErrPoWNotReached) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	found := e.PoW()
	e.Nonce++
	if next := e.PoW(); found <= next {
		t.Errorf("the nonce found has %v, and the next nonce has %v", found, next)
	}
	if err := e.Seal(t.Context(), math.MaxFloat64); !errors.Is(err, shh.ErrPoWNotReached) {
		t.Errorf("more bits than a hash has: %v", err)
	}
	e.Nonce = 7
	if err := e.Seal(t.Context(), 0); err != nil || e.Nonce != 7 {
		t.Errorf("no PoW: %v, nonce %d", err, e.Nonce)
	}
}

func BenchmarkSeal(b *testing.B) {
	for name, size := range map[string]int{"300B": 300, "10KiB": 10 << 10} {
		b.Run(name, func(b *testing.B) {
			e := shh.Envelope{Expiry: 1_700_000_050, TTL: 50, Data: make([]byte, size)}
			ctx, cancel := context.WithCancel(b.Context())
			cancel()
			for b.Loop() {
				if err := e.Seal(ctx, 1e30); err == nil {
					b.Fatal("impossible: a PoW of 1e30 was reached")
				}
			}
			b.ReportMetric(1024*float64(b.N)/b.Elapsed().Seconds(), "hashes/s")
		})
	}
}
