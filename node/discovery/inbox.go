package discovery

import (
	"bytes"
	"net/netip"
)

const (
	// queueLen is how many packets of each class wait for one protocol. Together with
	// maxPacket it bounds what a flood can make us hold.
	queueLen = 256
	// queueShare is how many of them may come from one endpoint. The longest honest burst
	// is an answer of five packets.
	queueShare = 16
	// knownRow is how many packets of endpoints that we have written to come in a row while
	// strangers wait.
	knownRow = 4
)

// packet is what came in one UDP datagram.
type packet struct {
	data []byte
	from netip.AddrPort
}

// inbox holds the packets that a protocol has not handled yet. Those from endpoints that
// we have written to come before others, because among them are the answers that our
// lookups wait for; strangers have a queue of their own, so that they can't crowd them
// out. But not always: everybody is known whom we have answered once, and what he
// floods us with must not keep others from becoming so.
type inbox struct {
	known, strangers queue
	row              int // of known ones
}

// push takes a copy of a packet. For want of room that is lost, or one of another sender.
func (b *inbox) push(data []byte, from netip.AddrPort, known bool) (lost bool) {
	if known {
		return b.known.push(data, from)
	}
	return b.strangers.push(data, from)
}

// pop gives the next packet.
func (b *inbox) pop() (packet, bool) {
	if b.row < knownRow || len(b.strangers.turn) == 0 {
		if p, ok := b.known.pop(); ok {
			b.row++
			return p, true
		}
	}
	b.row = 0
	return b.strangers.pop()
}

// queue gives senders their turn, one packet each. When it is full, he loses one who has
// most waiting.
type queue struct {
	waiting map[netip.AddrPort][][]byte // by sender, nobody without
	turn    []netip.AddrPort            // all senders
	total   int                         // packets
}

func (q *queue) push(data []byte, from netip.AddrPort) (lost bool) {
	has := len(q.waiting[from])
	if has >= queueShare {
		return true
	}
	if q.total >= queueLen {
		if lost = true; !q.makeRoom(has + 1) {
			return lost
		}
	}
	if has == 0 {
		q.turn = append(q.turn, from)
	}
	if q.waiting == nil {
		q.waiting = map[netip.AddrPort][][]byte{}
	}
	q.waiting[from] = append(q.waiting[from], bytes.Clone(data))
	q.total++
	return lost
}

// makeRoom drops the last packet of the sender who has most, if he has more than that.
func (q *queue) makeRoom(than int) bool {
	var most netip.AddrPort
	for from, packets := range q.waiting {
		if len(packets) > than {
			most, than = from, len(packets)
		}
	}
	packets, ok := q.waiting[most]
	if ok { // and one stays, so that his turn does
		q.waiting[most] = packets[:len(packets)-1]
		q.total--
	}
	return ok
}

func (q *queue) pop() (packet, bool) {
	if len(q.turn) == 0 {
		return packet{}, false
	}
	from := q.turn[0]
	q.turn = q.turn[1:]
	packets := q.waiting[from]
	if len(packets) > 1 {
		q.waiting[from], q.turn = packets[1:], append(q.turn, from)
	} else {
		delete(q.waiting, from)
	}
	q.total--
	return packet{packets[0], from}, true
}
