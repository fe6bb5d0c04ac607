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
)

// packet is what came in one UDP datagram.
type packet struct {
	data []byte
	from netip.AddrPort
}

// inbox holds the packets that a protocol has not handled yet. Those from endpoints that
// we have written to come first, because among them are the answers that our lookups
// wait for; strangers have a queue of their own, so that they can't crowd them out. In
// either, nobody has more than his share.
type inbox struct {
	known, strangers queue
}

// push takes a copy of a packet, or refuses it for want of room.
func (b *inbox) push(data []byte, from netip.AddrPort, known bool) bool {
	if known {
		return b.known.push(data, from)
	}
	return b.strangers.push(data, from)
}

// pop gives the next packet.
func (b *inbox) pop() (packet, bool) {
	if p, ok := b.known.pop(); ok {
		return p, true
	}
	return b.strangers.pop()
}

type queue struct {
	packets []packet
	from    map[netip.AddrPort]int // how many wait from there
}

func (q *queue) push(data []byte, from netip.AddrPort) bool {
	if len(q.packets) >= queueLen || q.from[from] >= queueShare {
		return false
	}
	if q.from == nil {
		q.from = map[netip.AddrPort]int{}
	}
	q.from[from]++
	q.packets = append(q.packets, packet{bytes.Clone(data), from})
	return true
}

func (q *queue) pop() (packet, bool) {
	if len(q.packets) == 0 {
		return packet{}, false
	}
	p := q.packets[0]
	q.packets[0] = packet{}
	q.packets = q.packets[1:]
	if q.from[p.from]--; q.from[p.from] == 0 {
		delete(q.from, p.from)
	}
	return p, true
}
