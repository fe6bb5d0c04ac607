package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// searchTime is how long a search waits for answers. UPnP devices may take a second (MX), and
	// search datagrams get lost.
	searchTime = 2500 * time.Millisecond
	// describeTime is the timeout for fetching a device description and calling its services.
	describeTime = 8 * time.Second
	// maxFinders bounds the number of interfaces that are searched; some hosts have a thousand.
	maxFinders = 64
)

// finder searches for routers with all methods at the same time.
type finder struct {
	spec        Spec
	listen      netip.Addr // the one address that the node listens on; invalid: all
	seed        [32]byte
	description string
	list        func() ([]network, error)
	lookup      lookupFunc
	ssdp        []netip.AddrPort // destinations of searches, besides the gateway
	ssdpPort    uint16           // port of a gateway that is searched directly
	pcpPort     uint16
	time        time.Duration // how long to wait for answers

	mu   sync.Mutex
	last []foundDevice // UPnP devices of the last search that found any
}

// foundDevice is a UPnP device whose description was found. The next search fetches it from there
// again, because some networks filter multicast, at times or always.
type foundDevice struct {
	network network
	message ssdpMessage
	place   *url.URL
	from    netip.Addr
}

func newFinder(spec Spec, listen netip.Addr, seed [32]byte, description string) *finder {
	return &finder{
		spec: spec, listen: listen, seed: seed, description: description, list: networks, lookup: lookupSystem,
		ssdp: []netip.AddrPort{ssdpGroup}, ssdpPort: ssdpGroup.Port(), pcpPort: portPMP, time: searchTime,
	}
}

// searchRun is one search.
type searchRun struct {
	*finder
	ctx    context.Context
	report func(Mapper)
	spawn  func(f func())
	wait   sync.WaitGroup

	mu       sync.Mutex // protects the fields below; not the finder's mutex
	problems []error
	known    map[string]bool // keys of what is reported: versions 1 and 2 of one router, its parts, or two paths to it
	seen     []foundDevice
}

// find reports each router when it answers, and returns the other problems. It takes searchTime,
// plus at most describeTime for slow answers. Its goroutines have ended when it returns; spawn
// starts them and handles their panics.
func (f *finder) find(ctx context.Context, spawn func(func()), report func(Mapper)) []error {
	h := &searchRun{finder: f, ctx: ctx, report: report, spawn: spawn, known: map[string]bool{}}
	switch f.spec.Method {
	case MethodFixed, MethodListen:
		if f.spec.Host != "" {
			report(newNamed(f.spec.Host, f.lookup))
			return nil
		}
		report(newFixed(f.spec.Method, f.spec.IP))
		return nil
	case MethodSTUN:
		report(newSTUN(f.spec.Server))
		return nil
	}
	f.mu.Lock()
	last := f.last
	f.mu.Unlock()
	for _, s := range last {
		h.start(func() { h.describe(s, false) })
	}
	h.search()
	h.wait.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.seen) > 0 {
		f.mu.Lock()
		f.last = h.seen[:min(len(h.seen), maxLocations)]
		f.mu.Unlock()
	}
	return h.problems
}

// networks returns this host's networks.
func (f *finder) networks() ([]network, error) { return f.list() }

// wants reports whether the spec allows the method.
func (f *finder) wants(m Method) bool { return f.spec.Method == "" || f.spec.Method == m }

func (h *searchRun) search() {
	all, err := h.networks()
	if err != nil {
		h.problem(err)
	}
	if h.spec.IP.IsValid() {
		h.ask(h.spec.IP, h.listen) // the system selects the interface
		return
	}
	gateways := 0
	for _, n := range all[:min(len(all), maxFinders)] {
		if h.listen.IsValid() && n.local.Addr() != h.listen {
			continue
		}
		if h.spec.Method == "" && netaddr.Public(n.local.Addr()) {
			h.report(newFixed(MethodInterface, n.local.Addr()))
		}
		if n.gateway.IsValid() {
			gateways++
			h.ask(n.gateway, n.local.Addr())
		}
		if h.wants(MethodUPnP) {
			h.searchUPnP(n)
		}
	}
	if gateways == 0 && !h.wants(MethodUPnP) {
		h.problem(errors.New("no default route: no router to ask"))
	}
}

// ask probes a gateway with the protocols that need its address.
func (h *searchRun) ask(gateway, local netip.Addr) {
	h.probe(MethodPCP, newPCP(netip.AddrPortFrom(gateway, h.pcpPort), local, h.seed))
	h.probe(MethodPMP, newPMP(gateway, local))
}

func (h *searchRun) problem(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problems = append(h.problems, err)
}

// start runs f in a goroutine for which find waits.
func (h *searchRun) start(f func()) {
	h.wait.Add(1)
	h.spawn(func() {
		defer h.wait.Done()
		f()
	})
}

// probe checks whether one router answers. No answer and a closed port are not reported as problems
// unless the operator chose the method: most routers don't support all protocols.
func (h *searchRun) probe(method Method, m Mapper) {
	if !h.wants(method) {
		return
	}
	h.start(func() {
		ctx, cancel := context.WithTimeout(h.ctx, h.time)
		defer cancel()
		_, err := m.External(ctx)
		switch causeOf(err) {
		case NoAnswer, Unreachable, Unsupported:
			if h.spec.Method == method {
				h.problem(err)
			}
			return
		case Garbage:
			h.problem(err)
			return
		}
		h.report(m) // a router that answers with errors speaks the protocol, too
	})
}

// searchUPnP searches one interface. A failure on an interface without gateway (a tunnel, a
// container's bridge) is not reported.
func (h *searchRun) searchUPnP(n network) {
	h.start(func() {
		ctx, cancel := context.WithTimeout(h.ctx, h.time)
		defer cancel()
		to := h.ssdp
		if n.gateway.IsValid() {
			to = append(to[:len(to):len(to)], netip.AddrPortFrom(n.gateway, h.ssdpPort))
		}
		err := searchSSDP(ctx, n.local.Addr(), n.gateway, to, func(m ssdpMessage, place *url.URL, from netip.Addr) {
			h.start(func() { h.describe(foundDevice{n, m, place, from}, m.gateway()) })
		})
		if err != nil && n.gateway.IsValid() {
			h.problem(err)
		}
	})
}

// describe fetches a device's description and reports its best service. problems is false for a
// device that did not say to be a router, and for one known from an earlier search, which may be
// gone: describe reports no problem with those.
func (h *searchRun) describe(s foundDevice, problems bool) {
	ctx, cancel := context.WithTimeout(h.ctx, describeTime)
	defer cancel()
	way := newRouterHTTP(s.from, s.network.local.Addr())
	d, err := way.describe(ctx, s.place)
	if err != nil {
		if problems {
			cause, text := ioError(err)
			if errors.As(err, new(*garbageError)) || errors.As(err, new(*failedStatus)) {
				cause, text = Garbage, line(err.Error())
			}
			h.problem(&Error{Method: MethodUPnP, Router: s.from.String(), Op: "description", Cause: cause, Words: text, Err: err})
		}
		return
	}
	all := mappers(d, way)
	if len(all) == 0 {
		if problems {
			h.problem(&Error{Method: MethodUPnP, Router: s.from.String(), Op: "description", Cause: Unsupported, Words: "the router has no WAN connection service"})
		}
		return
	}
	name := line(d.name)
	if model := line(d.model); model != "" && model != name {
		name = line(name + " (" + model + ")")
	}
	for _, u := range all {
		u.router = Router{Name: name, Addr: s.from, Local: s.network.local.Addr(), Boot: s.message.boot, ID: s.message.device(), Place: s.place.String()}
		u.description = h.description
	}
	best := bestService(ctx, all)
	// The parts of one device may have names of their own, and one device may have two descriptions.
	if h.first(s, s.place.String(), fmt.Sprint(s.from, best.router.ID, best.kind)) {
		h.report(best)
	}
}

// bestService returns the service to use. If there are several, or several places where one may be,
// it asks each for its address. The first with a public address is the best, then one with another
// address, then one that answers.
func bestService(ctx context.Context, all []*upnpMapper) *upnpMapper {
	if len(all) == 1 {
		return all[0]
	}
	best, most := all[0], 0
	for i, u := range all {
		share := ctx
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			share, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(all)-i))
			defer cancel()
		}
		r, err := u.External(share)
		worth := 0
		switch e, ok := asError(err); {
		case err == nil && netaddr.Public(r.IP):
			return u
		case err == nil && !r.IP.IsUnspecified():
			worth = 3
		case err == nil:
			worth = 2
		case ok && e.Code != 0:
			worth = 1
		}
		if worth > most {
			best, most = u, worth
		}
	}
	return best
}

// first reports whether the service has not been reported yet, under any of its keys.
func (h *searchRun) first(s foundDevice, keys ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	again := slices.ContainsFunc(keys, func(key string) bool { return h.known[key] })
	for _, key := range keys {
		h.known[key] = true
	}
	if again {
		return false
	}
	h.seen = append(h.seen, s)
	return true
}
