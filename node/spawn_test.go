package node

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat"
)

// TestInboundReports: the NAT actor is notified of connections from public IPv4 addresses, for
// each protocol at most once in five seconds.
func TestInboundReports(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		system := actortest.NewSystem()
		var got []nat.Protocol
		pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if msg, ok := ctx.Message().(*nat.Inbound); ok {
				got = append(got, msg.Protocol)
			}
		}))
		r := &inboundReports{rt: supervise.Runtime{System: system, Clock: supervise.SystemClock}, nat: pid}
		for _, step := range []struct {
			by    nat.Protocol
			from  string
			after time.Duration
			want  int // reports so far
		}{
			{nat.TCP, "127.0.0.1", 0, 0},
			{nat.TCP, "192.168.1.2", 0, 0},
			{nat.TCP, "2001:db8::1", 0, 0},
			{nat.TCP, "30.1.2.3", 0, 1},
			{nat.TCP, "30.1.2.4", inboundEvery - 1, 1},
			{nat.UDP, "30.1.2.4", 0, 2},
			{nat.TCP, "30.1.2.4", 1, 3},
		} {
			actortest.After(step.after)
			r.add(step.by, netip.MustParseAddr(step.from))
			synctest.Wait()
			if len(got) != step.want {
				t.Fatalf("after %v from %s: %d reports, want %d", step.by, step.from, len(got), step.want)
			}
		}
		system.Root.Stop(pid)
		synctest.Wait()
	})
}
