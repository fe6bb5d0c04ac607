package ask

import "testing"

// TestRing: what a remote lacks, or answers late, takes a bounded amount of memory.
func TestRing(t *testing.T) {
	r := ring[int, int]{limit: 10}
	for i := range 1000 {
		r.set(i, i)
		r.set(i, i)
		if i%7 == 0 {
			if v, ok := r.take(i); !ok || v != i {
				t.Fatalf("%d: %d, %v", i, v, ok)
			}
		}
		if len(r.m) > 10 || len(r.order) != len(r.m) {
			t.Fatalf("%d entries, %d in order", len(r.m), len(r.order))
		}
	}
	if _, ok := r.get(0); ok {
		t.Error("the oldest is there")
	}
	if v, ok := r.get(999); !ok || v != 999 {
		t.Error("the newest is not there")
	}
}
