package nat

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestRecordInTheLog: an operator can search the log for a router or a code. A router's failure is
// never logged as an error of this node.
func TestRecordInTheLog(t *testing.T) {
	box := Router{Name: "box", Addr: netip.MustParseAddr("192.168.10.1")}
	refusal := &Error{Method: MethodUPnP, Router: "box at 192.168.10.1", Op: "map TCP 1", Code: 718, Cause: PortInUse, Words: "the port is in use"}
	for _, tt := range []struct {
		name string
		r    record
		want string
	}{
		{"mapped", record{event: eventMapped, method: MethodPCP, router: box, words: "TCP port 1 as 2"},
			`level=INFO msg="actor mapped" actor=n/nat event=mapped reason="TCP port 1 as 2" method=pcp router="box at 192.168.10.1"`},
		{"renewed is detail", record{event: eventRenewed, method: MethodPCP, words: "TCP port 1 as 2"},
			`level=DEBUG msg="actor renewed" actor=n/nat event=renewed reason="TCP port 1 as 2" method=pcp`},
		{"lost with a code", record{event: eventLost, method: MethodUPnP, router: box, words: "could not renew", err: refusal},
			`level=INFO msg="actor lost" actor=n/nat event=lost reason="could not renew" method=upnp router="box at 192.168.10.1" code=718 words="map TCP 1: the port is in use"`},
		{"lost without", record{event: eventLost, words: "x", err: errors.New("wire cut")},
			`level=INFO msg="actor lost" actor=n/nat event=lost reason=x words="wire cut"`},
		{"moved", record{event: eventMoved, method: MethodPMP, words: "moved", from: wan, to: netip.MustParseAddr("30.10.10.2")},
			`level=INFO msg="actor moved" actor=n/nat event=moved reason=moved method=nat-pmp from=30.10.10.1 to=30.10.10.2`},
		{"gave up", record{event: eventGaveUp, words: "no router serves us", err: refusal},
			`level=WARN msg="actor gave_up" actor=n/nat event=gave_up reason="no router serves us" method=upnp router="box at 192.168.10.1" code=718 words="map TCP 1: the port is in use"`},
		{"no router", record{event: eventNoRouter, words: "none"},
			`level=INFO msg="actor no_router" actor=n/nat event=no_router reason=none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			e := tt.r.logged()
			e.Actor = "n/nat"
			supervise.NewJournal(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))).Record(e)
			if got := strings.TrimSpace(out.String()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
