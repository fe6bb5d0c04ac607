package pool

import (
	"slices"
	"sort"
)

// timeline has all transactions in the order in which they came.
type timeline struct {
	slots []slot
	head  int // before it no slot is in use
	live  int
}

// slot is a place in a timeline. A transaction that has left it leaves a slot without entry.
type slot struct {
	seq   uint64
	entry *entry
}

func (t *timeline) add(e *entry) {
	t.slots = append(t.slots, slot{e.seq, e})
	t.live++
}

func (t *timeline) remove(e *entry) {
	t.slots[t.after(e.seq-1)].entry = nil
	t.live--
	if len(t.slots) > 64 && 2*t.live < len(t.slots) {
		slots := make([]slot, 0, t.live+t.live/2)
		for _, s := range t.slots {
			if s.entry != nil {
				slots = append(slots, s)
			}
		}
		t.slots, t.head = slots, 0
	}
}

// after returns the place of the first slot with a higher seq.
func (t *timeline) after(seq uint64) int {
	return sort.Search(len(t.slots), func(i int) bool { return t.slots[i].seq > seq })
}

// find returns the transaction with a seq, or nil if it has left.
func (t *timeline) find(seq uint64) *entry {
	i, ok := slices.BinarySearchFunc(t.slots, seq, func(s slot, seq uint64) int {
		switch {
		case s.seq < seq:
			return -1
		case s.seq > seq:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return t.slots[i].entry
}

// oldest returns the transaction that came first, or nil.
func (t *timeline) oldest() *entry {
	for ; t.head < len(t.slots); t.head++ {
		if e := t.slots[t.head].entry; e != nil {
			return e
		}
	}
	return nil
}
