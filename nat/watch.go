package nat

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// announceGroup is where routers announce, by NAT-PMP (RFC 6886 §3.2.1) and by PCP (RFC
// 6887 §14.1), that their address changed or that they have started over.
var announceGroup = netip.MustParseAddrPort("224.0.0.1:5350")

// noAddr is the sender of what we saw ourselves.
var noAddr netip.Addr

const (
	// maxWatched bounds the interfaces that are listened on.
	maxWatched = 16
	// newsGap is the least time between two messages of one listener to the actor, for
	// anybody on the network can send to it.
	newsGap = 50 * time.Millisecond
)

// watch listens, in goroutines of its own, to what routers announce, until ctx ends. It
// listens on the networks that have a gateway, and says where it can't.
func (f *finder) watch(ctx context.Context, all []network, spawn func(func()), send func(msg any)) {
	for _, n := range all[:min(len(all), maxWatched)] {
		if !n.gateway.IsValid() {
			continue
		}
		for _, group := range []netip.AddrPort{ssdpGroup, announceGroup} {
			spawn(func() { listen(ctx, n, group, send) })
		}
	}
}

func listen(ctx context.Context, n network, group netip.AddrPort, send func(msg any)) {
	conn, err := net.ListenMulticastUDP("udp4", &net.Interface{Index: n.index, Name: n.name}, net.UDPAddrFromAddrPort(group))
	if err != nil {
		send(&deaf{err: fmt.Errorf("can't listen to announcements (%v on %s): %w", group, n.name, err)})
		return
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	parse := parseAnnouncement
	if group == ssdpGroup {
		parse = parseNotify
	}
	if err := hear(ctx, conn, parse, send); err != nil && ctx.Err() == nil {
		send(&deaf{err: fmt.Errorf("stopped listening to announcements (%v on %s): %w", group, n.name, err)})
	}
}

// hear passes on what is news: the same from the same sender is told once.
func hear(ctx context.Context, conn *net.UDPConn, parse func([]byte, netip.Addr) (notice, bool), send func(msg any)) error {
	type sender struct {
		addr netip.Addr
		id   string
	}
	told := map[sender]notice{}
	buf := make([]byte, 2048)
	for {
		k, from, err := conn.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		addr := from.Addr().Unmap()
		news, ok := parse(buf[:k], addr)
		if !ok {
			continue
		}
		key := sender{addr, news.id}
		if news.kind == noticeAlive && told[key] == news {
			continue
		}
		if len(told) >= maxSeen {
			clear(told)
		}
		told[key] = news
		send(&disturbed{from: addr, notice: news})
		if !pause(ctx, newsGap) {
			return nil
		}
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// parseNotify reads an SSDP announcement of a gateway.
func parseNotify(b []byte, from netip.Addr) (notice, bool) {
	m, err := parseSSDP(b)
	if err != nil || !m.notify || !m.gateway() {
		return notice{}, false
	}
	if !m.alive {
		return notice{kind: noticeBye, id: m.device()}, true
	}
	place, err := m.place(from)
	if err != nil {
		return notice{}, false
	}
	return notice{kind: noticeAlive, id: m.device(), boot: m.boot, place: place.String()}, true
}

// parseAnnouncement reads what NAT-PMP or PCP announce.
func parseAnnouncement(b []byte, _ netip.Addr) (notice, bool) {
	n := notice{kind: noticeAnnounce}
	if len(b) == 12 && b[0] == 0 && b[1] == 0x80 {
		n.epoch = Epoch{Seconds: binary.BigEndian.Uint32(b[4:]), Known: true}
		if binary.BigEndian.Uint16(b[2:]) == 0 {
			n.ip = netip.AddrFrom4([4]byte(b[8:12]))
		}
		return n, true
	}
	a, err := parsePCP(b)
	if err != nil || a.op != pcpAnnounce {
		return notice{}, false
	}
	n.epoch = Epoch{Seconds: a.epoch, Known: true}
	return n, true
}
