//go:build natlab

package natlab_test

import (
	"fmt"
	"strings"
	"time"
)

// slowScenes take minutes, because no announcement says what happens in them. They start first.
var slowScenes = []scene{
	{"lose upnp1", "upnp1", func(h *home) { h.unannounced("lose", "never") }},
	{"lose natpmp", "natpmp", func(h *home) { h.unannounced("lose", "-") }},
	{"lose pcp", "pcp", func(h *home) { h.unannounced("lose", "-") }},
	{"expire upnp1", "upnp1", func(h *home) { h.unannounced("expire", "460 s") }},
	{"expire natpmp", "natpmp", func(h *home) { h.unannounced("expire", "460 s") }},
	{"stop-mapper upnp2", "upnp2", withoutMapper},
	{"stop-mapper pcp", "pcp", withoutMapper},
}

// unannounced makes the router lose the mappings without an announcement.
func (h *home) unannounced(fault, geth string) {
	h.first("")
	h.fault(fault, "A")
	if h.reach() == nil {
		h.t.Fatalf("still reachable after %s", fault)
	}
	h.reached(fault, geth, unannounced)
}

// withoutMapper stops the daemon for a minute. Its mappings stay, so the node must stay reachable
// and announced, and map its ports at the daemon again when that is back.
func withoutMapper(h *home) {
	h.first("")
	h.fault("stop-mapper", "A")
	for over, tick := time.After(time.Minute), time.NewTicker(5*time.Second); ; {
		select {
		case <-tick.C:
			h.still("without the router's daemon")
			continue
		case <-over:
			tick.Stop()
		}
		break
	}
	began := time.Now()
	h.fault("start-mapper", "A")
	r := h.says("mapped", began, recovery)
	h.times.add(h.kind, "stop-mapper for a minute: mapped again, reachable throughout", seconds(r.Time.Sub(began)), "-")
	h.still("after the daemon started again")
}

// fakeScenes use the fake gateway's programmed faults.
var fakeScenes = []scene{
	{"lossy", "all", func(h *home) {
		h.first("")
		h.fault("lossy", "5%", "A")
		h.reached("lossy 5%", "-", recovery)
		h.fault("reboot-router", "A")
		h.reached("lossy 5%, reboot-router", "-", recovery)
	}},
	{"refusals", "fake", func(h *home) {
		h.first("")
		h.overcome("501 three times", `error={"AddPortMapping": [501, 3]}`)
		h.overcome("718, router without any-port call", `conflict_ports=[30303]`)
		h.overcome("718, router with any-port call", `conflict_ports=[30303]`, `igd=2`)
		h.overcome("725", `permanent_only=true`)
		h.waitFor("402", 402, "arguments", `error={"AddPortMapping": 402}`)
	}},
	{"another port", "fake", func(h *home) {
		h.program(`noanswer=["ssdp"]`, `pmp=true`, `wrong_port=true`)
		h.run("--nat", "any")
		h.reached("fake gateway: NAT-PMP grants another port", "-", firstTime)
		if port := h.record().TCP(); port == natPort {
			h.t.Errorf("the record has port %d, want the one that the router granted", port)
		}
	}},
	{"silence", "fake", func(h *home) {
		h.first("")
		h.overcome("3 s for each answer", `delay={"*": 3}`)
		h.waitFor("malformed answer", 0, "malformed answer", `garbage=["AddPortMapping"]`)
		h.waitFor("malformed description", 0, "malformed answer", `garbage=["desc"]`)
		h.waitFor("no answer", 0, "no answer", `noanswer=["AddPortMapping"]`)
		h.leave("-")
	}},
}

// program sets faults of the fake gateway and reboots it. It returns when the reboot began.
func (h *home) program(faults ...string) time.Time {
	h.t.Helper()
	h.fault(append([]string{"igd", "A", "clear"}, faults...)...)
	at := time.Now()
	h.fault("reboot-router", "A")
	return at
}

// overcome sets a fault with which the node still gets its mappings.
func (h *home) overcome(what string, faults ...string) {
	h.t.Helper()
	h.program(faults...)
	h.reached("fake gateway: "+what, "-", recovery)
}

// waitFor sets a fault that prevents mappings. The node must log the reason, and be reachable
// again after the fault has ended.
func (h *home) waitFor(what string, code int, words string, faults ...string) {
	h.t.Helper()
	r := h.says("gave_up", h.program(faults...), time.Minute)
	if r.Level != "WARN" || r.Code != code || !strings.Contains(r.Words, words) || r.Router == "" {
		h.t.Errorf("%s: log record %+v", what, r)
	}
	if err := h.reach(); err == nil {
		h.t.Errorf("%s: the node is reachable", what)
	}
	h.fault("igd", "A", "clear")
	h.reached(fmt.Sprintf("fake gateway: %s, after that has ended", what), "-", recovery)
}
