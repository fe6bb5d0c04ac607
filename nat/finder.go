package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

const (
	// searchTime is how long a search listens for answers. UPnP devices may take a
	// second (MX), and searches get lost.
	searchTime = 2500 * time.Millisecond
	// describeTime is for fetching a description and asking its services.
	describeTime = 8 * time.Second
	// maxFinders bounds the interfaces that are searched: some hosts have a thousand.
	maxFinders = 64
)

// finder looks for routers with everything at the same time.
type finder struct {
	spec        Spec
	listen      netip.Addr // the one address that we listen on; not valid: all
	seed        [32]byte
	description string
	list        func() ([]network, error)
	ssdp        []netip.AddrPort // where searches go, beside the gateway
	ssdpPort    uint16           // of a gateway that is asked directly
	pcpPort     uint16
	time        time.Duration // how long to listen for answers

	mu   sync.Mutex
	last []sighting // UPnP devices of the last search that found any
}

// sighting is where a UPnP device described itself. It is asked there again at the next
// search: multicast is filtered in some networks, now and then or for good.
type sighting struct {
	network network
	message ssdpMessage
	place   *url.URL
	from    netip.Addr
}

func newFinder(spec Spec, listen netip.Addr, seed [32]byte, description string) *finder {
	return &finder{
		spec: spec, listen: listen, seed: seed, description: description, list: networks,
		ssdp: []netip.AddrPort{ssdpGroup}, ssdpPort: ssdpGroup.Port(), pcpPort: portPMP, time: searchTime,
	}
}

// hunt is one search.
type hunt struct {
	*finder
	ctx   context.Context
	tell  func(Mapper)
	spawn func(f func())
	wait  sync.WaitGroup

	mu       sync.Mutex // not the finder's: of what follows
	problems []error
	known    map[string]bool // places and services that were told of: v1 and v2 of one router, two ways to it
	seen     []sighting
}

// find tells of each router as it answers, and returns what went wrong besides. It takes
// searchTime and what slow answers need beyond, at most describeTime. Its goroutines have
// ended when it returns; spawn starts them, and is who hears of a panic.
func (f *finder) find(ctx context.Context, spawn func(func()), tell func(Mapper)) []error {
	h := &hunt{finder: f, ctx: ctx, tell: tell, spawn: spawn, known: map[string]bool{}}
	switch f.spec.Method {
	case MethodFixed, MethodListen:
		tell(newFixed(f.spec.Method, f.spec.IP))
		return nil
	case MethodSTUN:
		tell(newSTUN(f.spec.Server))
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

// networks lists our networks.
func (f *finder) networks() ([]network, error) { return f.list() }

// wants says whether a method is to be tried.
func (f *finder) wants(m Method) bool { return f.spec.Method == "" || f.spec.Method == m }

func (h *hunt) search() {
	all, err := h.networks()
	if err != nil {
		h.problem(err)
	}
	if h.spec.IP.IsValid() {
		h.ask(h.spec.IP, h.listen) // the system knows the way
		return
	}
	gateways := 0
	for _, n := range all[:min(len(all), maxFinders)] {
		if h.listen.IsValid() && n.local.Addr() != h.listen {
			continue
		}
		if h.spec.Method == "" && netaddr.Public(n.local.Addr()) {
			h.tell(newFixed(MethodInterface, n.local.Addr()))
		}
		if n.gateway.IsValid() {
			gateways++
			h.ask(n.gateway, n.local.Addr())
		}
		if h.wants(MethodUPnP) {
			h.goUPnP(n)
		}
	}
	if gateways == 0 && !h.wants(MethodUPnP) {
		h.problem(errors.New("there is no default route, and so no router to ask"))
	}
}

// ask probes a gateway by the protocols that need to know its address.
func (h *hunt) ask(gateway, local netip.Addr) {
	h.probe(MethodPCP, newPCP(netip.AddrPortFrom(gateway, h.pcpPort), local, h.seed))
	h.probe(MethodPMP, newPMP(gateway, local))
}

func (h *hunt) problem(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problems = append(h.problems, err)
}

// start runs f in a goroutine that find waits for.
func (h *hunt) start(f func()) {
	h.wait.Add(1)
	h.spawn(func() {
		defer h.wait.Done()
		f()
	})
}

// probe asks one router whether it is there. Silence and closed ports are no problem to
// tell of: most routers don't speak all protocols.
func (h *hunt) probe(method Method, m Mapper) {
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
		h.tell(m) // what speaks the protocol is a router, even if it has only errors to tell
	})
}

// goUPnP searches one interface. One that can't (a tunnel, a container's bridge) is no
// problem of the others.
func (h *hunt) goUPnP(n network) {
	h.start(func() {
		ctx, cancel := context.WithTimeout(h.ctx, h.time)
		defer cancel()
		to := h.ssdp
		if n.gateway.IsValid() {
			to = append(to[:len(to):len(to)], netip.AddrPortFrom(n.gateway, h.ssdpPort))
		}
		err := searchSSDP(ctx, n.local.Addr(), to, func(m ssdpMessage, place *url.URL, from netip.Addr) {
			h.start(func() { h.describe(sighting{n, m, place, from}, true) })
		})
		if err != nil && n.gateway.IsValid() {
			h.problem(err)
		}
	})
}

// describe fetches a device's description and tells of its best service: the first one
// with a public address, else the first. Of what was only remembered nothing is said
// where it is gone.
func (h *hunt) describe(s sighting, answered bool) {
	ctx, cancel := context.WithTimeout(h.ctx, describeTime)
	defer cancel()
	way := newRouterHTTP(s.from, s.network.local.Addr())
	root, err := way.describeDevice(ctx, s.place)
	if err != nil {
		if answered {
			cause, text := ioError(err)
			if errors.As(err, new(*garbageError)) {
				cause, text = Garbage, line(err.Error())
			}
			h.problem(&Error{Method: MethodUPnP, Router: s.from.String(), Op: "description", Cause: cause, Words: text, Err: err})
		}
		return
	}
	all := services(root, way)
	if len(all) == 0 {
		h.problem(&Error{Method: MethodUPnP, Router: s.from.String(), Op: "description", Cause: Unsupported, Words: "the router has no connection to map ports on"})
		return
	}
	name := line(root.Device.FriendlyName)
	if model := line(root.Device.ModelName); model != "" && model != name {
		name = line(name + " (" + model + ")")
	}
	for _, u := range all {
		u.router = Router{Name: name, Addr: s.from, Local: s.network.local.Addr(), Boot: s.message.boot, ID: s.message.device(), Place: s.place.String()}
		u.description = h.description
	}
	best := bestService(ctx, all)
	if h.first(fmt.Sprint(s.from, best.router.ID, best.kind), s) {
		h.tell(best)
	}
}

// bestService asks the services of one router for their addresses, if there is a choice.
func bestService(ctx context.Context, all []*upnpMapper) *upnpMapper {
	if len(all) == 1 {
		return all[0]
	}
	for _, u := range all {
		if r, err := u.External(ctx); err == nil && netaddr.Public(r.IP) {
			return u
		}
	}
	return all[0]
}

// first says whether a service was not told of before.
func (h *hunt) first(key string, s sighting) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known[key] {
		return false
	}
	h.known[key] = true
	h.seen = append(h.seen, s)
	return true
}
