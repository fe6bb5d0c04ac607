package shh

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// testParcel makes a parcel whose hash encodes the number n.
func testParcel(n int, worth float64, expiry uint32, size int) *parcel {
	return &parcel{
		Envelope: &Envelope{Expiry: expiry}, worth: worth,
		hash: common.BytesToHash([]byte{byte(n >> 8), byte(n), 1}), raw: make([]byte, size),
	}
}

// TestPoolEviction: a full pool keeps the parcels with the most work, in whatever order they
// come.
func TestPoolEviction(t *testing.T) {
	type in struct {
		worth float64
		size  int
	}
	const room = 3 * (parcelOverhead + 100)
	for name, c := range map[string]struct {
		maxBytes, maxCount int
		in                 []in
		want               []admission
		left               []int // the parcels that are in the pool at the end
	}{
		"room for all":            {room, 9, []in{{1, 100}, {1, 100}, {1, 100}}, []admission{admitted, admitted, admitted}, []int{0, 1, 2}},
		"least goes":              {room, 3, []in{{2, 100}, {1, 100}, {3, 100}, {4, 100}}, []admission{admitted, admitted, admitted, admitted}, []int{0, 2, 3}},
		"least does not come in":  {room, 3, []in{{2, 100}, {3, 100}, {4, 100}, {1, 100}}, []admission{admitted, admitted, admitted, refused}, []int{0, 1, 2}},
		"as little does not":      {room, 3, []in{{2, 100}, {2, 100}, {2, 100}, {2, 100}}, []admission{admitted, admitted, admitted, refused}, []int{0, 1, 2}},
		"large one for two":       {room, 9, []in{{1, 100}, {2, 100}, {9, 100}, {3, 600}}, []admission{admitted, admitted, admitted, admitted}, []int{2, 3}},
		"large one not for a few": {room, 9, []in{{1, 100}, {9, 100}, {9, 100}, {3, 600}}, []admission{admitted, admitted, admitted, refused}, []int{0, 1, 2}},
		"larger than the pool":    {room, 9, []in{{1, 100}, {9, 2000}}, []admission{admitted, refused}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			freed := map[int]int{}
			p := newPool(c.maxBytes, c.maxCount, func(slot int) { freed[slot]++ })
			var parcels []*parcel
			for i, in := range c.in {
				x := testParcel(i, in.worth, 100, in.size)
				parcels = append(parcels, x)
				if got := p.add(x); got != c.want[i] {
					t.Errorf("adding parcel %d: %d, want %d", i, got, c.want[i])
				}
			}
			if len(p.held) != len(c.left) {
				t.Errorf("%d parcels are in the pool, want %d", len(p.held), len(c.left))
			}
			for _, i := range c.left {
				if held, _ := p.find(parcels[i].hash); held != parcels[i] {
					t.Errorf("parcel %d is not in the pool", i)
				}
			}
			for i, x := range parcels {
				if c.want[i] == admitted && p.add(x) != known {
					t.Errorf("parcel %d was added twice", i)
				}
			}
		})
	}
}

func TestPoolExpiry(t *testing.T) {
	p := newPool(1<<20, 100, func(int) {})
	for i := range 10 {
		x := testParcel(i, float64(i), uint32(100+i%5), 10)
		if p.add(x) != admitted {
			t.Fatal("refused")
		}
	}
	if got := p.expire(100); got != 0 {
		t.Errorf("%d expired too early: an envelope is valid through its last second", got)
	}
	if got := p.expire(103); got != 6 || len(p.held) != 4 || p.bytes != 4*(parcelOverhead+10) {
		t.Errorf("%d expired, %d of %d bytes remain", got, len(p.held), p.bytes)
	}
	if _, had := p.find(testParcel(0, 0, 0, 0).hash); had {
		t.Error("find still knows an expired envelope")
	}
	p.expire(1000)
	if p.bytes != 0 || p.expiry.Len() != 0 || p.worth.Len() != 0 || len(p.slots) != p.next {
		t.Errorf("after all expired: %+v", p)
	}
}

// TestPoolAtRandom: limits, slots and indices are consistent after random operations.
func TestPoolAtRandom(t *testing.T) {
	const maxBytes, maxCount = 20_000, 20
	r := rand.New(rand.NewPCG(1, 2))
	taken := map[int]bool{}
	p := newPool(maxBytes, maxCount, func(slot int) { delete(taken, slot) })
	for i := range 5000 {
		now := uint32(i / 10)
		p.expire(now)
		x := testParcel(i, r.Float64(), now+uint32(r.IntN(20)), r.IntN(3000))
		if p.add(x) == admitted {
			if taken[x.slot] {
				t.Fatalf("slot %d is taken twice", x.slot)
			}
			taken[x.slot] = true
		}
		bytes := 0
		for _, held := range p.held {
			bytes += held.cost()
			if held.Expiry < now || p.expiry.parcels[held.byExpiry] != held || p.worth.parcels[held.byWorth] != held {
				t.Fatal("a parcel is expired or at a wrong place in a heap")
			}
		}
		if bytes != p.bytes || bytes > maxBytes || len(p.held) > maxCount || len(taken) != len(p.held) ||
			p.next > maxCount+1 || len(p.evicted.at) > maxCount {
			t.Fatalf("%d bytes, recorded as %d, in %d parcels with %d slots of %d; %d evicted",
				bytes, p.bytes, len(p.held), len(taken), p.next, len(p.evicted.at))
		}
	}
}

func TestSlotSet(t *testing.T) {
	var s slotSet
	for _, slot := range []int{0, 63, 64, 1000} {
		if s.has(slot) {
			t.Errorf("slot %d is set", slot)
		}
		s.clear(slot)
		s.set(slot)
		if !s.has(slot) || s.has(slot+1) {
			t.Errorf("slot %d is not set, or the next one is", slot)
		}
	}
	s.clear(64)
	if s.has(64) || !s.has(63) || !s.has(1000) {
		t.Error("clear(64) did not clear slot 64 alone")
	}
}
