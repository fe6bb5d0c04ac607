package nat

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestReceive: a router's announcement reaches the actor once, and other datagrams do not reach it.
func TestReceive(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan *disturbed, 16), make(chan error, 1)
	go func() {
		done <- receive(ctx, conn, func(b []byte, from netip.Addr) (notice, bool) { return parseNotify(b, from, noAddr) }, func(msg any) { got <- msg.(*disturbed) })
	}()
	from, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	alive := func(boot string) string {
		return "NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:a::x\r\nLOCATION: http://127.0.0.1/d\r\nBOOTID.UPNP.ORG: " + boot + "\r\n\r\n"
	}
	for _, text := range []string{"garbage", alive("1"), alive("1"), "M-SEARCH * HTTP/1.1\r\n\r\n", alive("2")} {
		if _, err := from.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, boot := range []string{"1", "2"} {
		select {
		case d := <-got:
			if d.boot != boot || d.from != loopback || d.kind != noticeAlive {
				t.Errorf("%+v, want boot id %s", d, boot)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("boot id %s is not reported", boot)
		}
	}
	cancel()
	_ = conn.SetReadDeadline(time.Unix(1, 0)) // as listen does
	if err := <-done; err != nil || len(got) > 0 {
		t.Errorf("error %v, %d more messages", err, len(got))
	}
}

// TestWatchReportsListenError: an interface that is gone is reported; one without gateway is
// ignored.
func TestWatchReportsListenError(t *testing.T) {
	got := make(chan any, 4)
	f := newFinder(Spec{}, netip.Addr{}, secret, "")
	gone := network{name: "gone", index: 1 << 20, local: netip.MustParsePrefix("192.168.7.7/24"), gateway: netip.MustParseAddr("192.168.7.1")}
	quiet := network{name: "no gateway", index: 1 << 20, local: gone.local}
	f.watch(t.Context(), []network{gone, quiet}, func(run func()) { run() }, func(msg any) { got <- msg })
	if len(got) != 2 {
		t.Fatalf("%d messages, want 2", len(got))
	}
	for range 2 {
		if d, ok := (<-got).(*listenFailed); !ok || d.err == nil {
			t.Errorf("%+v", d)
		}
	}
}
