//go:build natlab

package natlab_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/nat"
)

// labsAtOnce is how many labs run at the same time. They wait most of the time.
const labsAtOnce = 6

// scene is what happens in one home.
type scene struct {
	name string
	kind string // of the router
	play func(h *home)
}

// TestNATLab puts nodes behind real routers (miniupnpd behind Linux's NAT, or a fake
// gateway with programmed faults) and tries to reach them from a host on the Internet.
func TestNATLab(t *testing.T) {
	s, times := newLabs(t), &timesTaken{}
	slots := make(chan struct{}, labsAtOnce)
	var wait sync.WaitGroup
	for _, sc := range slices.Concat(slowScenes, kindScenes, fakeScenes) {
		slots <- struct{}{} // the slow ones start first
		wait.Go(func() {
			defer func() { <-slots }()
			t.Run(sc.name, func(t *testing.T) { sc.play(s.move(t, sc.kind, times)) })
		})
	}
	wait.Wait()
	var b strings.Builder
	slices.SortStableFunc(times.rows, func(a, b [4]string) int { return strings.Compare(a[0], b[0]) })
	for _, row := range times.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row[0], row[1], row[2], row[3])
	}
	t.Logf("seconds until the node is reachable, unless the row says otherwise:\n| router | event | Troupe | go-ethereum |\n|---|---|---|---|\n%s", b.String())
}

// kindScenes are the scenes of each kind of router.
var kindScenes = []scene{
	{"upnp1", "upnp1", func(h *home) { h.life("2.6-3.4 s", "460 s", "100 s", "0.3 s") }},
	{"upnp2", "upnp2", func(h *home) { h.life("2.6-3.2 s", "461 s", "100 s", "0.3 s") }},
	{"natpmp", "natpmp", func(h *home) { h.life("0.05-0.3 s", "459 s", "99 s", "0.1 s") }},
	{"pcp", "pcp", func(h *home) { h.life("0.1-0.7 s", "459 s or never", "100 s", "0.1 s") }},
	{"all", "all", func(h *home) { h.life("0.05-0.2 s", "461 s", "100 s", "0.1 s") }},
	{"permanent-only", "permanent-only", func(h *home) {
		h.first("never")
		h.leave("-")
	}},
	{"moved control URL", "upnp2", func(h *home) {
		h.first("")
		h.fault("reboot-router", "A", "--new-port")
		h.reached("reboot-router --new-port", "never", recovery)
		h.fault("reboot-router", "A", "10")
		h.reached("reboot-router, 10 s without power", "-", recovery)
		h.fault("drop-ssdp", "A")
		h.still("without SSDP")
		h.fault("reboot-router", "A")
		h.reached("reboot-router, SSDP filtered", "-", recovery)
	}},
	{"late", "upnp1", func(h *home) {
		h.fault("stop-mapper", "A")
		h.run("--nat", "any")
		h.says("no_router", time.Time{}, firstTime)
		h.fault("start-mapper", "A")
		h.reached("router starts later than the node", "never", recovery)
	}},
	{"doublenat", "doublenat", func(h *home) { h.double() }},
	{"doublenat-lie", "doublenat-lie", func(h *home) { h.double() }},
	{"none", "none", noRouter},
	{"stun", "none", func(h *home) {
		h.run("--nat", "stun:30.1.1.10")
		err := await(firstTime, func() error {
			if rec := h.record(); rec.IPAddr() != h.wan {
				return fmt.Errorf("the record has the address %v", rec.IPAddr())
			}
			return nil
		})
		if err != nil {
			h.t.Errorf("%v\n%s", err, h.tail())
		}
	}},
}

// life is the scene of every working router. The times are go-ethereum's.
func (h *home) life(first, reboot, wanip, leave string) {
	h.first(first)
	h.ping()
	h.shown()
	h.fault("wanip", "A", "30.11.11.1")
	h.reached("wanip", wanip, recovery)
	if moved := h.events("moved"); len(moved) != 1 || moved[0].From != "30.10.10.1" || moved[0].To != "30.11.11.1" || moved[0].Router == "" {
		h.t.Errorf("log records of the new address: %+v\n%s", moved, h.tail())
	}
	h.fault("reboot-router", "A")
	h.reached("reboot-router", reboot, recovery)
	h.takeOver()
	h.leave(leave)
}

// first starts the node, and waits until it is reachable. The table gets the time from the start
// of the process until the node logs the second mapping.
func (h *home) first(geth string) {
	h.t.Helper()
	h.run("--nat", "any")
	if err := await(firstTime, h.reach); err != nil {
		h.t.Fatalf("not reachable after %v: %v\nrules of the router:\n%s\n%s", firstTime, err, h.mappings(), h.tail())
	}
	mapped := h.events("mapped")
	if len(mapped) != 2 || mapped[0].Router == "" {
		h.t.Fatalf("log records of the first mappings: %+v\n%s", mapped, h.tail())
	}
	if geth != "" {
		h.times.add(h.kind, "both ports mapped, from the start of the process", seconds(mapped[1].Time.Sub(h.began)), geth)
	}
	if rules := h.mappings(); !strings.Contains(rules, "tcp") || !strings.Contains(rules, "udp") {
		h.t.Errorf("rules of the router:\n%s", rules)
	}
}

// methods are the methods that each kind of router answers.
var methods = map[string][]nat.Method{
	"upnp1": {nat.MethodUPnP}, "upnp2": {nat.MethodUPnP}, "natpmp": {nat.MethodPMP}, "pcp": {nat.MethodPCP, nat.MethodPMP},
	"all": {nat.MethodPCP, nat.MethodPMP, nat.MethodUPnP},
}

// shown checks what node nat prints about the router and the node.
func (h *home) shown() {
	h.t.Helper()
	r := h.look(0)
	var got []nat.Method
	for _, f := range r.Found {
		got = append(got, f.Method)
		if f.Error != "" || f.Warning != "" || f.Method != nat.MethodPCP && f.External != h.wan {
			h.t.Errorf("node nat: %+v", f)
		}
		if f.Method == nat.MethodUPnP && len(f.Mappings) != 2 {
			h.t.Errorf("node nat: mappings to this host %+v", f.Mappings)
		}
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(methods[h.kind]))) {
		h.t.Errorf("node nat: methods %v, want %v", got, methods[h.kind])
	}
	if s := r.Node; s == nil || s.Status.State != nat.Mapped || s.Status.External.IP != h.wan || len(s.Status.Ports) != 2 || time.Until(s.Status.Ports[0].Ends) < time.Minute {
		h.t.Errorf("node nat: status of the node %+v", s)
	}
}

// takeOver kills the node and starts it again: it must get the same mappings, and no further ones.
func (h *home) takeOver() {
	h.t.Helper()
	before := h.record()
	rules := h.mappings()
	h.end(syscall.SIGKILL)
	if left := h.mappings(); left != rules {
		h.t.Errorf("a killed node changed the rules from\n%s\nto\n%s", rules, left)
	}
	h.run("--nat", "any")
	r := h.says("mapped", h.began, firstTime)
	h.times.add(h.kind, "old mapping reused after SIGKILL, from the start of the process", seconds(r.Time.Sub(h.began)), "-")
	h.still("after SIGKILL and a restart")
	if now := h.record(); now.TCP() != before.TCP() || now.UDP() != before.UDP() || now.IPAddr() != before.IPAddr() {
		h.t.Errorf("record before: %v %v, after: %v %v", before.IPAddr(), before.TCP(), now.IPAddr(), now.TCP())
	}
	if n := strings.Count(h.mappings(), "\n") + 1; n != 2 {
		h.t.Errorf("%d rules after a restart:\n%s", n, h.mappings())
	}
}

// leave stops the node, which must delete its mappings.
func (h *home) leave(geth string) {
	h.t.Helper()
	began := time.Now()
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	err := await(leaveTime, func() error {
		if rules, err := h.command("mappings", "A"); err != nil || rules != "" {
			return fmt.Errorf("rules of the router: %s, %v", rules, err)
		}
		return nil
	})
	if err != nil {
		h.t.Errorf("%v after SIGTERM: %v\n%s", leaveTime, err, h.tail())
	}
	h.times.add(h.kind, "mappings gone after SIGTERM", seconds(time.Since(began)), geth)
	if err := h.cmd.Wait(); err != nil {
		h.t.Errorf("after SIGTERM: %v\n%s", err, h.tail())
	}
	h.cmd = nil
}

// double is the scene behind a carrier's NAT: the node reports it, and announces no address.
func (h *home) double() {
	h.run("--nat", "any")
	r := h.says("gave_up", time.Time{}, firstTime)
	if r.Level != "WARN" || !strings.Contains(r.Reason, "double NAT") || r.Router == "" {
		h.t.Errorf("log record %+v\n%s", r, h.tail())
	}
	h.times.add(h.kind, "reports double NAT, from the start of the process", seconds(r.Time.Sub(h.began)), "never")
	h.claimsNothing()
	if found := h.look(3).Found; len(found) != 1 || !strings.Contains(found[0].Warning, "double NAT") {
		h.t.Errorf("node nat: %+v", found)
	}
}

// claimsNothing checks that an unreachable node announces and maps nothing.
func (h *home) claimsNothing() {
	h.t.Helper()
	if rec := h.record(); rec.IPAddr().IsValid() && !rec.IPAddr().IsLoopback() {
		h.t.Errorf("the record has the address %v", rec.IPAddr())
	}
	if rules := h.mappings(); rules != "" {
		h.t.Errorf("rules of the router:\n%s", rules)
	}
	if all := append(h.events("mapped"), h.events("moved")...); len(all) != 0 {
		h.t.Errorf("log records of mappings: %+v", all)
	}
}

// noRouter compares the start of a node that finds no router with one that doesn't search.
func noRouter(h *home) {
	best := func(args ...string) time.Duration {
		var least time.Duration
		for range 3 {
			h.run(args...)
			h.end(syscall.SIGTERM)
			if least == 0 || h.ready < least {
				least = h.ready
			}
		}
		return least
	}
	without, with := best("--nat", "none"), best("--nat", "any")
	if with > without+time.Second {
		h.t.Errorf("ready after %v, with --nat none after %v", with, without)
	}
	h.times.add(h.kind, "listens, from the start of the process", fmt.Sprintf("%v (--nat none: %v)", with.Round(time.Millisecond), without.Round(time.Millisecond)), "-")
	h.run("--nat", "any")
	r := h.says("no_router", h.began, firstTime)
	if r.Level != "INFO" {
		h.t.Errorf("log record %+v\n%s", r, h.tail())
	}
	h.times.add(h.kind, "reports that there is no router, from the start of the process", seconds(r.Time.Sub(h.began)), "2.5 s")
	h.claimsNothing()
}
