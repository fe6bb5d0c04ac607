package supervise

import "testing"

// TestMailboxQueue: memory of a backlog is reused while the backlog lasts, and released after it.
func TestMailboxQueue(t *testing.T) {
	var q queue
	next, want := 0, 0
	for round := range 200 {
		for range round % 50 {
			q.push(next)
			next++
		}
		for range min(q.len(), round%37) {
			if got := q.pop(); got != want {
				t.Fatalf("got %v, want %d", got, want)
			}
			want++
		}
		if q.len() != next-want {
			t.Fatalf("len is %d, but it holds %d items", q.len(), next-want)
		}
		if cap(q.items) > 8*(q.len()+50) {
			t.Fatalf("capacity of %d items for %d", cap(q.items), q.len())
		}
	}
	for q.len() > 0 {
		q.pop()
	}
	if cap(q.items) > maxIdleItems {
		t.Errorf("an empty queue keeps a capacity of %d items", cap(q.items))
	}
}
