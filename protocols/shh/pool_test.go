package shh

import (
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

// testParcel is one with a number for its hash.
func testParcel(n int, worth float64, expiry uint32, size int) *parcel {
	return &parcel{
		Envelope: &Envelope{Expiry: expiry}, worth: worth,
		hash: common.BytesToHash([]byte{byte(n >> 8), byte(n), 1}), raw: make([]byte, size),
	}
}

// TestPoolEviction: a full pool keeps what has the most work in it, whatever comes when.
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
		left               []int // which are in the pool in the end
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
					t.Errorf("parcel %d: %d, want %d", i, got, c.want[i])
				}
			}
			if len(p.held) != len(c.left) {
				t.Errorf("%d are left, want %d", len(p.held), len(c.left))
			}
			for _, i := range c.left {
				if held, _ := p.find(parcels[i].hash); held != parcels[i] {
					t.Errorf("parcel %d is not there", i)
				}
			}
			for i, x := range parcels {
				if c.want[i] == admitted && p.add(x) != known {
					t.Errorf("parcel %d comes in twice", i)
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
		t.Errorf("%d expired, but an envelope lives through its last second", got)
	}
	if got := p.expire(103); got != 6 || len(p.held) != 4 || p.bytes != 4*(parcelOverhead+10) {
		t.Errorf("%d expired, %d of %d bytes are left", got, len(p.held), p.bytes)
	}
	if _, had := p.find(testParcel(0, 0, 0, 0).hash); had {
		t.Error("an expired envelope is remembered")
	}
	p.expire(1000)
	if p.bytes != 0 || p.expiry.Len() != 0 || p.worth.Len() != 0 || len(p.slots) != p.next {
		t.Errorf("after all expired: %+v", p)
	}
}

// TestPoolAtRandom: limits, slots and indices agree after any story.
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
				t.Fatal("an expired or misplaced parcel")
			}
		}
		if bytes != p.bytes || bytes > maxBytes || len(p.held) > maxCount || len(taken) != len(p.held) ||
			p.next > maxCount+1 || len(p.evicted.at) > maxCount {
			t.Fatalf("%d bytes, said to be %d, in %d parcels with %d slots of %d; %d buried",
				bytes, p.bytes, len(p.held), len(taken), p.next, len(p.evicted.at))
		}
	}
}

func TestSlotSet(t *testing.T) {
	var m slotSet
	for _, slot := range []int{0, 63, 64, 1000} {
		if m.has(slot) {
			t.Errorf("%d is set", slot)
		}
		m.clear(slot)
		m.set(slot)
		if !m.has(slot) || m.has(slot+1) {
			t.Errorf("%d is not set, or its neighbour is", slot)
		}
	}
	m.clear(64)
	if m.has(64) || !m.has(63) || !m.has(1000) {
		t.Error("clear")
	}
}
