package punch

import (
	"math/rand/v2"
	"testing"
	"time"
)

// noon is the time at which tests begin.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestBudget(t *testing.T) {
	type take struct {
		after time.Duration // noon
		key   string
		ok    bool
	}
	for _, tt := range []struct {
		name               string
		perMinute, maxKeys int
		takes              []take
	}{
		{"two a minute", 2, 8, []take{{0, "a", true}, {1, "a", true}, {2, "a", false}, {time.Minute - 1, "a", false}}},
		{"each key has its own budget", 1, 8, []take{{0, "a", true}, {0, "b", true}, {1, "a", false}, {1, "b", false}}},
		{"a message counts for a minute", 2, 8, []take{
			{0, "a", true}, {30 * time.Second, "a", true}, {time.Minute, "a", true}, {61 * time.Second, "a", false}, {90 * time.Second, "a", true},
		}},
		{"a refused message does not count", 1, 8, []take{{0, "a", true}, {59 * time.Second, "a", false}, {time.Minute, "a", true}}},
		{"no budget", 0, 8, []take{{0, "a", false}, {time.Hour, "a", false}}},
		{"a new key does not push out keys in use", 2, 2, []take{
			{0, "a", true}, {1, "b", true}, {2, "c", false}, {3, "a", true}, {4, "a", false}, {5, "b", true},
		}},
		{"the key that is idle longest is forgotten", 1, 2, []take{
			{0, "a", true}, {30 * time.Second, "b", true}, {time.Minute, "c", true}, {61 * time.Second, "a", false}, {90 * time.Second, "a", true}, {91 * time.Second, "c", false},
		}},
		{"a refused message does not keep a key in memory", 1, 1, []take{{0, "a", true}, {59 * time.Second, "a", false}, {time.Minute, "b", true}}},
		{"no room for keys", 5, 0, []take{{0, "a", false}}},
		{"a clock that goes back frees no budget", 1, 8, []take{{time.Hour, "a", true}, {0, "a", false}}},
	} {
		b := newBudget[string](tt.perMinute, tt.maxKeys)
		for i, take := range tt.takes {
			if ok := b.take(take.key, noon.Add(take.after)); ok != take.ok {
				t.Errorf("%s: take %d: %v", tt.name, i, ok)
			}
		}
	}
}

// TestBudgetHolds takes at random, by a few keys among floods of new ones. No key gets more than its budget in any
// minute, the number of keys stays bounded, and a key that comes while there is room gets all of its budget.
func TestBudgetHolds(t *testing.T) {
	const perMinute, maxKeys = 3, 16
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 1))
		b := newBudget[int](perMinute, maxKeys)
		took := map[int][]time.Time{}
		now, fresh := noon, 1000
		for i := range 3000 {
			now = now.Add(time.Duration(random.Int64N(int64(2 * time.Second))))
			key := random.IntN(12)
			if i/500%2 == 1 && random.IntN(4) > 0 { // a flood
				fresh++
				key = fresh
			}
			recent := 0
			active := map[int]bool{}
			for k, times := range took {
				for _, at := range times {
					if now.Sub(at) < time.Minute {
						active[k] = true
						if k == key {
							recent++
						}
					}
				}
			}
			ok := b.take(key, now)
			if ok && recent >= perMinute {
				t.Fatalf("seed %d: key %d got %d in a minute", seed, key, recent+1)
			}
			if due := recent < perMinute && (active[key] || len(active) < maxKeys); ok != due {
				t.Fatalf("seed %d: key %d, which took %d in the last minute, with %d active keys: %v", seed, key, recent, len(active), ok)
			}
			if ok {
				took[key] = append(took[key], now)
			}
			if len(b.keys) > maxKeys || b.idle.Len() != len(b.keys) {
				t.Fatalf("seed %d: %d keys, %d in the list", seed, len(b.keys), b.idle.Len())
			}
			for k, times := range took {
				if now.Sub(times[len(times)-1]) >= time.Minute {
					delete(took, k)
				}
			}
		}
	}
}
