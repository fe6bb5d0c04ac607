package nat

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sim runs a machine against routers in simulated time: it performs the machine's actions after a
// short delay and ticks it when that is due.
type sim struct {
	t        *testing.T
	now      time.Time
	machine  *machine
	memory   *memory
	world    *[]*simRouter // answer a search, in this order
	queue    []simEvent
	news     []ExternalAddress
	log      []record
	calls    int
	searches int
}

type simEvent struct {
	at time.Time
	do func()
}

const simDelay = 50 * time.Millisecond

var (
	simStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	wan      = netip.MustParseAddr("30.10.10.1")
	simNode  = [32]byte{1, 2, 3}
	both     = []port{{TCP, 30303}, {UDP, 30303}}
)

func newSim(t *testing.T, routers ...*simRouter) *sim {
	s := &sim{t: t, now: simStart, memory: &memory{}, world: &routers}
	for _, r := range routers {
		r.now, r.booted = func() time.Time { return s.now }, s.now.Add(-time.Hour)
	}
	s.begin()
	return s
}

// begin starts a machine as the actor does; it is called again after a simulated crash.
func (s *sim) begin() {
	n := 0
	s.machine = newMachine(simNode, both, func() float64 { n++; return float64(n*7%10) / 10 }, s.memory)
	s.machine.start(s.now)
	s.perform()
}

func (s *sim) after(d time.Duration, do func()) {
	s.queue = append(s.queue, simEvent{s.now.Add(d), do})
	slices.SortStableFunc(s.queue, func(a, b simEvent) int { return a.at.Compare(b.at) })
}

// then runs a step of the machine later, unless the machine has been replaced.
func (s *sim) then(d time.Duration, step func(m *machine)) {
	m := s.machine
	s.after(d, func() {
		if m == s.machine {
			step(m)
			s.perform()
		}
	})
}

func (s *sim) perform() {
	ctx := context.Background()
	for len(s.machine.out) > 0 {
		a := s.machine.out[0]
		s.machine.out = s.machine.out[1:]
		switch a := a.(type) {
		case doSearch:
			s.searches++
			for _, r := range *s.world {
				if !r.down {
					s.then(simDelay+r.answersAfter, func(m *machine) { m.onFound(s.now, a.search, r.mapper()) })
				}
			}
			s.then(3*time.Second, func(m *machine) { m.onSearched(s.now, a.search, nil) })
		case doRead:
			s.then(simDelay, func(m *machine) {
				r, err := a.mapper.External(ctx)
				m.onReading(s.now, a.op, r, err)
			})
		case doMap:
			s.then(simDelay, func(m *machine) {
				got, err := a.mapper.Map(ctx, a.request)
				m.onMapped(s.now, a.op, got, err)
			})
		case doVerify:
			s.then(simDelay, func(m *machine) {
				got, err := a.mapper.Verify(ctx, a.mapping)
				m.onVerified(s.now, a.op, got, err)
			})
		case doUnmap:
			s.then(simDelay, func(m *machine) { m.onUnmapped(s.now, a.op, a.mapper.Unmap(ctx, a.mapping)) })
		case doPublish:
			s.news = append(s.news, a.address)
		case doRecord:
			s.log = append(s.log, record(a))
		}
	}
	s.calls++
	if s.calls > 1_000_000 {
		s.t.Fatal("the machine does not come to rest")
	}
}

// run advances the time by d. It calls each, if given, after every step.
func (s *sim) run(d time.Duration, each ...func()) {
	s.t.Helper()
	end, steps := s.now.Add(d), 0
	for {
		at := s.machine.next()
		if !at.IsZero() && at.Before(s.now) {
			at = s.now
		}
		timer := len(s.queue) == 0 || !at.IsZero() && at.Before(s.queue[0].at)
		if !timer {
			at = s.queue[0].at
		}
		if at.IsZero() || at.After(end) {
			s.now = end
			return
		}
		if at.Equal(s.now) {
			if steps++; steps > 1000 {
				s.t.Fatalf("more than 1000 steps at %v: state %v", s.now.Sub(simStart), s.machine.state)
			}
		} else {
			steps = 0
		}
		s.now = at
		if timer {
			s.machine.tick(s.now)
			s.perform()
		} else {
			e := s.queue[0]
			s.queue = s.queue[1:]
			e.do()
		}
		for _, f := range each {
			f()
		}
	}
}

// state checks the machine's state.
func (s *sim) state(want State) {
	s.t.Helper()
	if s.machine.state != want {
		s.t.Errorf("at %v: state %v, want %v; log:\n%s", s.now.Sub(simStart), s.machine.state, want, s.story())
	}
}

// announced checks the last announcement and the number of announcements.
func (s *sim) announced(times int, want string) {
	s.t.Helper()
	got := ""
	if len(s.news) > 0 {
		a := s.news[len(s.news)-1]
		got = fmt.Sprintf("%v %d/%d %s", a.IP, a.TCPPort, a.UDPPort, a.Method)
	}
	if got != want || len(s.news) != times {
		s.t.Errorf("announced %d times, last %q; want %d times, %q; log:\n%s", len(s.news), got, times, want, s.story())
	}
}

func (s *sim) story() string {
	var b strings.Builder
	for _, r := range s.log[max(0, len(s.log)-20):] {
		fmt.Fprintf(&b, "  %s %s %s %v\n", r.event, r.router, r.words, r.err)
	}
	return b.String()
}

func (s *sim) count(event string) (n int) {
	for _, r := range s.log {
		if r.event == event {
			n++
		}
	}
	return n
}

// simRouter is a router in simulated time. The zero value is a healthy router.
type simRouter struct {
	mu           sync.Mutex
	now          func() time.Time
	method       Method
	addr         netip.Addr
	caps         *Caps
	answersAfter time.Duration
	down         bool
	ip           *netip.Addr
	booted       time.Time
	max          time.Duration // of leases
	permanent    bool          // refuses all other leases
	mute         bool          // answers OK but stores nothing
	taken        map[ExternalPort]bool
	fail         func(op string) error // "read", "map", "unmap", "verify"
	table        map[Protocol]simEntry
	mapCalls     []Request
	refuse       func(Request) error // nil: none
	searches     int
	hangs        bool // never answers a deletion
}

type simEntry struct {
	external ExternalPort
	internal InternalPort
	ends     time.Time // zero: never
}

func (r *simRouter) mapper() Mapper {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.searches++
	return &simMapper{r}
}

// maps reports whether a packet to the external port would reach this node now.
func (r *simRouter) maps(p Protocol, e ExternalPort) bool {
	m, ok := r.table[p]
	return ok && !r.down && m.external == e && (m.ends.IsZero() || r.now().Before(m.ends))
}

// locked runs f while no call is running.
func (r *simRouter) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *simRouter) reboot() { r.table, r.booted = nil, r.now() }

func (r *simRouter) check(op string) error {
	if r.down {
		return &Error{Method: r.method, Op: op, Cause: NoAnswer, Words: "no answer"}
	}
	if r.fail != nil {
		return r.fail(op)
	}
	return nil
}

func (r *simRouter) epoch() Epoch {
	return Epoch{Seconds: uint32(r.now().Sub(r.booted) / time.Second), Known: r.method != MethodUPnP}
}

type simMapper struct{ r *simRouter }

func (m *simMapper) Method() Method { return m.r.method }
func (m *simMapper) Router() Router { return Router{Name: "sim", Addr: m.r.addr} }
func (m *simMapper) Caps() Caps {
	if m.r.caps != nil {
		return *m.r.caps
	}
	return Caps{Maps: true, Tells: m.r.method != MethodPCP, List: m.r.method != MethodPMP}
}

func (m *simMapper) address() netip.Addr {
	if m.r.ip != nil {
		return *m.r.ip
	}
	return wan
}

func (m *simMapper) External(context.Context) (Reading, error) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	if err := m.r.check("read"); err != nil {
		return Reading{}, err
	}
	if m.r.method == MethodPCP {
		return Reading{Epoch: m.r.epoch()}, nil
	}
	return Reading{IP: m.address(), Epoch: m.r.epoch()}, nil
}

func (m *simMapper) Map(_ context.Context, q Request) (Mapping, error) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	r := m.r
	r.mapCalls = append(r.mapCalls, q)
	if err := r.check("map"); err != nil {
		return Mapping{}, err
	}
	if r.refuse != nil {
		if err := r.refuse(q); err != nil {
			return Mapping{}, err
		}
	}
	if r.permanent && q.Lifetime != 0 {
		return Mapping{}, &Error{Method: r.method, Code: 725, Cause: OnlyPermanent}
	}
	if r.taken[q.External] {
		if !q.Any {
			return Mapping{}, &Error{Method: r.method, Code: 718, Cause: PortInUse}
		}
		q.External = 41000
	}
	life := q.Lifetime
	if r.max != 0 {
		life = min(life, r.max)
	}
	e := simEntry{external: q.External, internal: q.Internal}
	if life != 0 {
		e.ends = r.now().Add(life)
	}
	if !r.mute {
		if r.table == nil {
			r.table = map[Protocol]simEntry{}
		}
		r.table[q.Protocol] = e
	}
	got := Mapping{Protocol: q.Protocol, Internal: q.Internal, External: q.External, Lifetime: life, Permanent: life == 0, Epoch: r.epoch()}
	if r.method == MethodPCP {
		got.IP = m.address()
	}
	return got, nil
}

func (m *simMapper) Unmap(ctx context.Context, g Mapping) error {
	if m.r.hangs && !pause(ctx, time.Hour) {
		return ctx.Err()
	}
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	if err := m.r.check("unmap"); err != nil {
		return err
	}
	delete(m.r.table, g.Protocol)
	return nil
}

func (m *simMapper) Verify(_ context.Context, g Mapping) (Mapping, error) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	if err := m.r.check("verify"); err != nil {
		return Mapping{}, err
	}
	e, ok := m.r.table[g.Protocol]
	if !ok || !e.ends.IsZero() && !m.r.now().Before(e.ends) {
		return Mapping{}, &Error{Method: m.r.method, Code: 714, Cause: NoMapping}
	}
	g.Epoch = m.r.epoch()
	g.Lifetime = e.ends.Sub(m.r.now())
	if m.r.method == MethodPCP {
		g.IP = m.address()
	}
	return g, nil
}

func upnpRouter() *simRouter {
	return &simRouter{method: MethodUPnP, addr: netip.MustParseAddr("192.168.10.1")}
}

func pmpRouter() *simRouter {
	return &simRouter{method: MethodPMP, addr: netip.MustParseAddr("192.168.10.1")}
}

func pcpRouter() *simRouter {
	return &simRouter{method: MethodPCP, addr: netip.MustParseAddr("192.168.10.1")}
}
