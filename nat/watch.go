package nat

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// announceGroup is the multicast group in which routers announce, by NAT-PMP (RFC 6886 §3.2.1) and
// by PCP (RFC 6887 §14.1), a changed address or a restart.
var announceGroup = netip.MustParseAddrPort("224.0.0.1:5350")

// noAddr is the sender of events that this host observed itself.
var noAddr netip.Addr

const (
	// maxWatched bounds the number of interfaces that are listened on.
	maxWatched = 16
	// newsGap is the minimum time between two messages from one listener to the actor, because any
	// host on the network can send to the listener.
	newsGap = 50 * time.Millisecond
)

// watch receives, in goroutines of its own, router announcements until ctx ends. It listens on the
// networks that have a gateway, and reports those on which it can't.
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
		send(&listenFailed{err: fmt.Errorf("listening to announcements failed (%v on %s): %w", group, n.name, err)})
		return
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	parse := parseAnnouncement
	if group == ssdpGroup {
		parse = func(b []byte, from netip.Addr) (notice, bool) { return parseNotify(b, from, n.gateway) }
	}
	if err := receive(ctx, conn, parse, send); err != nil && ctx.Err() == nil {
		send(&listenFailed{err: fmt.Errorf("listening to announcements stopped (%v on %s): %w", group, n.name, err)})
	}
}

// receive reports new announcements. It reports a repeated announcement of the same sender once.
func receive(ctx context.Context, conn *net.UDPConn, parse func([]byte, netip.Addr) (notice, bool), send func(msg any)) error {
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

// pause waits for d. It returns false if ctx ends first.
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

// parseNotify parses an SSDP announcement of a router: one that says so, or of the presence of a root
// device at the default gateway. The second result is false for any other message.
func parseNotify(b []byte, from, gateway netip.Addr) (notice, bool) {
	m, err := parseSSDP(b)
	if err != nil || !m.notify || !m.gateway() && (m.kind != rootDevice || !m.alive || from != gateway) {
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

// parseAnnouncement parses an announcement of NAT-PMP or PCP.
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
