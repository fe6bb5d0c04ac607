package discovery

import (
	"bytes"
	"net/netip"
)

const (
	// queueLen is how many packets of each class may wait for one protocol. Together with maxPacket
	// it bounds the memory that a flood can occupy.
	queueLen = 256
	// queueShare is how many of them may come from one endpoint. The longest legitimate burst is an
	// answer of five packets.
	queueShare = 16
	// knownRow is how many packets from known endpoints are taken in a row while strangers' packets
	// wait. An endpoint is known if this node has written to it.
	knownRow = 4
)

// packet is the content of one UDP datagram.
type packet struct {
	data []byte
	from netip.AddrPort
}

// inbox holds the packets that a protocol has not handled yet. Packets from known endpoints usually
// come first, because they include the answers for which our lookups wait; strangers have a queue
// of their own and can't displace them. The priority is not absolute: every endpoint that this node
// once answered is known, and a flood from known endpoints must not prevent others from becoming
// known.
type inbox struct {
	known, strangers queue
	row              int // known packets taken in a row
}

// push stores a copy of a packet. lost is true if this packet, or one of another sender, was
// dropped for lack of room.
func (b *inbox) push(data []byte, from netip.AddrPort, known bool) (lost bool) {
	if known {
		return b.known.push(data, from)
	}
	return b.strangers.push(data, from)
}

// pop returns the next packet. The second result is false if there is none.
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

// queue serves senders in turn, one packet each. When it is full, it drops a packet of the sender
// with the most packets.
type queue struct {
	waiting map[netip.AddrPort][][]byte // by sender; no entry is empty
	turn    []netip.AddrPort            // all senders with packets, in order
	total   int                         // number of packets
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

// makeRoom drops the last packet of the sender with the most packets, if it has more than the given
// number.
func (q *queue) makeRoom(than int) bool {
	var most netip.AddrPort
	for from, packets := range q.waiting {
		if len(packets) > than {
			most, than = from, len(packets)
		}
	}
	packets, ok := q.waiting[most]
	if ok { // at least one packet stays, so the sender keeps its turn
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
