package discovery

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

func endpointNo(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 2, byte(i >> 8), byte(i)}), 30303)
}

// arrive pushes one packet of each of these senders and returns how many packets were lost.
func arrive(b *inbox, known bool, senders ...int) (lost int) {
	for _, i := range senders {
		if b.push(fmt.Appendf(nil, "%d", i), endpointNo(i), known) {
			lost++
		}
	}
	return lost
}

// inOrder pops n packets and returns their senders.
func inOrder(t *testing.T, b *inbox, n int) (senders []int) {
	t.Helper()
	for len(senders) < n {
		p, ok := b.pop()
		if !ok {
			t.Fatalf("popped packets of %v, want %d packets", senders, n)
		}
		i, err := strconv.Atoi(string(p.data))
		if err != nil || endpointNo(i) != p.from {
			t.Fatalf("packet %q has the sender %v", p.data, p.from)
		}
		senders = append(senders, i)
	}
	return senders
}

func empty(t *testing.T, b *inbox) {
	t.Helper()
	p, ok := b.pop()
	for _, q := range []*queue{&b.known, &b.strangers} {
		if ok || len(q.waiting) != 0 || len(q.turn) != 0 || q.total != 0 {
			t.Errorf("pop returns %q of %v, and the queue has %d packets of %v", p.data, p.from, q.total, q.turn)
		}
	}
}

// bySender counts the senders in a list.
func bySender(senders []int) map[int]int {
	of := map[int]int{}
	for _, i := range senders {
		of[i]++
	}
	return of
}

// TestInboxOrder: senders take turns, and known ones usually come before strangers.
func TestInboxOrder(t *testing.T) {
	var b inbox
	arrive(&b, false, 100, 100, 100, 101)
	arrive(&b, true, 1, 1, 1, 2, 3, 3, 1)
	if got, want := inOrder(t, &b, 11), []int{1, 2, 3, 1, 100, 3, 1, 1, 101, 100, 100}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	empty(t, &b)
	data := []byte("1")
	b.push(data, endpointNo(1), true)
	data[0] = '2' // the socket's buffer is reused
	inOrder(t, &b, 1)
	empty(t, &b)
}

// TestInboxIsFair: no sender has more than its share, and the senders with the most packets lose
// packets to those with fewer.
func TestInboxIsFair(t *testing.T) {
	const share, crowd = queueShare, queueLen / queueShare
	for _, known := range []bool{false, true} {
		var b inbox
		if lost := arrive(&b, known, make([]int, 1000)...); lost != 1000-share {
			t.Errorf("known %v: one sender has %d packets, want %d", known, 1000-lost, share)
		}
		for i := 1; i < crowd; i++ {
			if lost := arrive(&b, known, slices.Repeat([]int{i}, share)...); lost != 0 {
				t.Errorf("known %v: %d packets lost while there was room", known, lost)
			}
		}
		if lost := arrive(&b, known, slices.Repeat([]int{1000}, share)...); lost != share {
			t.Errorf("known %v: %d packets lost, want %d", known, lost, share)
		}
		if lost := arrive(&b, !known, 2000); lost != 0 {
			t.Errorf("known %v: a packet of the other class is lost", known)
		}
		of := bySender(inOrder(t, &b, queueLen+1))
		for i := range crowd {
			if of[i] < share-2 {
				t.Errorf("known %v: sender %d had %d packets, want about the same number for all: %v", known, i, of[i], of)
			}
		}
		if of[1000] < share-2 || of[2000] != 1 {
			t.Errorf("known %v: the last two senders had %d and %d packets", known, of[1000], of[2000])
		}
		empty(t, &b)
	}
}

// TestInboxIsBounded: if the queue is full and every sender has only one packet, a new sender gets
// no room.
func TestInboxIsBounded(t *testing.T) {
	var b inbox
	for i := range 1000 {
		arrive(&b, false, i)
	}
	if got := inOrder(t, &b, queueLen); got[0] != 0 || got[queueLen-1] != queueLen-1 {
		t.Errorf("senders %d to %d, want the first ones", got[0], got[queueLen-1])
	}
	empty(t, &b)
}
