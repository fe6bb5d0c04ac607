package shh

import (
	"errors"
	"math"
	"testing"
	"time"
)

const noon = 1_700_000_000

// TestDemand: which envelopes are accepted, which are dropped, and which end the link. The
// cases follow go-ethereum v1.9.20's function add, which is the network's rule.
func TestDemand(t *testing.T) {
	topic := Topic{1, 2, 3, 4}
	for name, c := range map[string]struct {
		expiry, ttl uint32
		pow         float64 // of the parcel
		size        int
		topic       Topic
		own         bool
		want        error
	}{
		"fresh":                       {noon + 50, 50, 1, 100, topic, false, nil},
		"in its last second":          {noon, 50, 1, 100, topic, false, nil},
		"just expired":                {noon - 1, 50, 1, 100, topic, false, errExpired},
		"expired as long as may be":   {noon - 20, 50, 1, 100, topic, false, errExpired},
		"long expired":                {noon - 21, 50, 1, 100, topic, false, ErrLongExpired},
		"expired in 1970":             {0, 0, 1, 100, topic, false, ErrLongExpired},
		"from the future":             {noon + 61, 50, 1, 100, topic, false, ErrFromFuture},
		"TTL beyond the expiry":       {noon + 50, math.MaxUint32, 1, 100, topic, false, ErrFromFuture},
		"at the end of time":          {math.MaxUint32, math.MaxUint32 - noon, 1, 100, topic, false, nil},
		"as large as may be":          {noon + 50, 50, 1, 1000 - headerSize, topic, false, nil},
		"too large":                   {noon + 50, 50, 1, 1001 - headerSize, topic, false, ErrOversized},
		"as little PoW as may be":     {noon + 50, 50, 0.5, 100, topic, false, nil},
		"no TTL, infinite PoW":        {noon, 0, math.Inf(1), 100, topic, false, errExpired},
		"too little PoW":              {noon + 50, 50, 0.49, 100, topic, false, ErrTooLowPoW},
		"another topic":               {noon + 50, 50, 1, 100, Topic{9, 9, 9, 9}, false, ErrNotAskedFor},
		"another topic of our own":    {noon + 50, 50, 1, 100, Topic{9, 9, 9, 9}, true, nil},
		"too little PoW of our own":   {noon + 50, 50, 0.49, 100, topic, true, ErrTooLowPoW},
		"expired, with too little":    {noon - 1, 50, 0, 100, topic, false, errExpired},
		"long expired, and too large": {noon - 30, 50, 1, 2000, topic, false, ErrLongExpired},
	} {
		t.Run(name, func(t *testing.T) {
			d := demand{minPoW: 0.5, bloom: topic.Bloom(), maxSize: 1000}
			p := &parcel{
				Envelope: &Envelope{Expiry: c.expiry, TTL: c.ttl, Topic: c.topic, Data: make([]byte, c.size)},
				pow:      c.pow, asked: c.topic.asked(), own: c.own,
			}
			if err := d.judge(p, time.Unix(noon, 0)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestAheadOfTheClock: an envelope that was sent ahead of this node's clock has a longer
// lifetime by that clock, so its PoW is lower.
func TestAheadOfTheClock(t *testing.T) {
	e := &Envelope{Expiry: noon + 20, TTL: 10, Data: make([]byte, 100)}
	if err := e.Seal(t.Context(), 0.1); err != nil {
		t.Fatal(err)
	}
	full := e.PoW()
	for minPoW, want := range map[float64]error{full * 10 / 21: nil, full * 10 / 20: ErrTooLowPoW} {
		d := demand{minPoW: minPoW, bloom: FullBloom(), maxSize: 1000}
		p := &parcel{Envelope: e, pow: full, proof: e.proof()}
		if err := d.judge(p, time.Unix(noon, 0)); !errors.Is(err, want) {
			t.Errorf("PoW of %v for ten seconds, ten seconds ahead, minimum %v: %v, want %v", full, minPoW, err, want)
		}
	}
}

// TestFormerDemands: for ten seconds after a change, envelopes may satisfy the former demand.
func TestFormerDemands(t *testing.T) {
	a, b := Topic{1, 20, 40}, Topic{2, 60, 80}
	begin := time.Unix(noon, 0)
	parcelFor := func(topic Topic, pow float64) *parcel {
		return &parcel{Envelope: &Envelope{Expiry: noon + 1000, TTL: 1000, Topic: topic}, pow: pow, asked: topic.asked()}
	}
	d := demand{minPoW: 1, bloom: a.Bloom(), maxSize: 1000}
	d.remember(begin)
	d.minPoW, d.bloom = 5, b.Bloom()
	for _, c := range []struct {
		after time.Duration
		p     *parcel
		want  error
	}{
		{0, parcelFor(a, 1), nil},
		{0, parcelFor(b, 1), nil},
		{0, parcelFor(b, 0.9), ErrTooLowPoW},
		{9 * time.Second, parcelFor(a, 1), nil},
		{10 * time.Second, parcelFor(a, 5), ErrNotAskedFor},
		{10 * time.Second, parcelFor(b, 4), ErrTooLowPoW},
		{10 * time.Second, parcelFor(b, 5), nil},
	} {
		if err := d.judge(c.p, begin.Add(c.after)); !errors.Is(err, c.want) {
			t.Errorf("%v later, topic %v with PoW %v: %v, want %v", c.after, c.p.Topic, c.p.pow, err, c.want)
		}
	}
	for i := range byte(100) { // all within a second
		d.remember(begin.Add(20 * time.Second))
		d.bloom = d.bloom.Or(Topic{i}.Bloom())
	}
	if len(d.former) > maxFormer {
		t.Errorf("%d former demands", len(d.former))
	}
	if err := d.judge(parcelFor(b, 5), begin.Add(21*time.Second)); err != nil {
		t.Error(err)
	}
}

// TestSharedBytes: if several bits of a topic fall into one byte of the filter, an envelope
// needs only the last one, because go-ethereum's filters have no more. Our own filters have
// all of them.
func TestSharedBytes(t *testing.T) {
	for topic, want := range map[Topic]Bloom{
		{5, 5, 6, 0}:   {1 << 6},
		{6, 5, 5, 0}:   {1 << 5},
		{1, 9, 17, 0}:  {1 << 1, 1 << 1, 1 << 1},
		{1, 2, 200, 1}: {0: 1 << 2, 25: 1, 32: 1 << 1},
	} {
		if got := topic.asked(); got != want || !topic.Bloom().Matches(got) {
			t.Errorf("topic %v requires the bits %x, want %x", topic, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	rate := Rate{Envelopes: 10, EnvelopesBurst: 100, Bytes: 1000, BytesBurst: 10_000}
	now := time.Unix(noon, 0)
	a := newAllowance(rate, now)
	take := func(envelopes, bytes float64) bool {
		ok, flooder := a.take(envelopes, bytes, now)
		if flooder {
			t.Fatal("the peer is a flooder too early")
		}
		return ok
	}
	if !take(100, 0) || take(1, 0) {
		t.Error("at first, the allowance is not exactly the burst")
	}
	now = now.Add(time.Second)
	if !take(10, 0) || take(1, 0) {
		t.Error("after a second, the allowance is not exactly the rate")
	}
	now = now.Add(time.Hour)
	if take(1, 10_001) || !take(1, 10_000) || take(1, 1) {
		t.Error("after an hour, the allowance is not exactly the burst of bytes")
	}
	now = now.Add(time.Second)
	if !take(1, 1000) {
		t.Error("after another second, the allowance is less than the rate of bytes")
	}
	for range 97 { // three were dropped above
		a.take(1, 1, now)
	}
	if ok, flooder := a.take(1, 1, now); ok || !flooder {
		t.Error("a whole burst beyond the allowance is not a flood")
	}
	now = now.Add(time.Hour)
	if !take(1, 1) || a.dropped != 0 {
		t.Error("an hour without messages does not reset the count of dropped envelopes")
	}
}
