package punch_test

import (
	"crypto/ecdsa"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/punch"
)

// kind is the kind of NAT between a host and the Internet.
type kind uint8

const (
	public kind = iota
	fullcone
	restricted
	portrestricted
	symmetric
)

func (k kind) String() string {
	return [...]string{"public", "fullcone", "restricted", "portrestricted", "symmetric"}[k]
}

const (
	hostPort = 30303
	delay    = 20 * time.Millisecond // of a datagram, one way
	patience = 700 * time.Millisecond
)

// world is a network of hosts behind NATs, in simulated time.
type world struct {
	t      *testing.T
	system *actor.ActorSystem

	mu     sync.Mutex
	random *rand.Rand
	loss   float64 // of each datagram
	hosts  map[netip.Addr]*host
	held   int // open connections that keep ports mapped
	ends   int // open ends of the other connections
}

// inWorld runs f in a synctest bubble, and checks afterwards that nothing stays open.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, random: rand.New(rand.NewPCG(1, 2)), hosts: map[netip.Addr]*host{}}
		w.system = actortest.NewSystem()
		f(w)
		for _, h := range w.hosts {
			if h.pid != nil {
				_ = w.system.Root.StopFuture(h.pid).Wait()
			}
		}
		w.system.Shutdown()
		time.Sleep(time.Minute) // everything under way ends
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, h := range w.hosts {
			if h.service.Expected() > 0 || h.service.Relaying() > 0 {
				t.Errorf("%v waits for %d datagrams, and relays %d rings", h.ip, h.service.Expected(), h.service.Relaying())
			}
		}
		if w.held != 0 || w.ends != 0 {
			t.Errorf("%d connections that keep ports mapped stay open, and %d ends of others", w.held, w.ends)
		}
	})
}

// host is a node, with a NAT of its own.
type host struct {
	w       *world
	kind    kind
	ip      netip.Addr // of the NAT
	key     *ecdsa.PrivateKey
	service *punch.Service
	pid     *actor.PID
	in      chan net.Conn // connections of callers

	mu     sync.Mutex
	record *enode.Node
	table  map[enode.ID]*enode.Node
	// The NAT: external ports by binding, the reverse, and the destinations of each.
	ports  map[binding]uint16
	inside map[flow]uint16
	sent   map[flow]map[netip.AddrPort]bool
	last   uint16
	syns   map[netip.AddrPort]*syn     // by destination
	other  *socket                     // its second port; nil: none
	sight  time.Duration               // how long a neighbour takes to say which TCP port it sees
	asked  int                         // how many records the host asked for
	pinged []netip.AddrPort            // endpoints that it pinged
	stray  map[netip.AddrPort]int      // datagrams sent to addresses without a host
	banned *host                       // nil: none
	lie    func(request []byte) []byte // returns a false answer; nil: the host answers truthfully
}

type binding struct {
	proto string
	local uint16
	to    netip.AddrPort // set for an address-dependent NAT
}

type flow struct {
	proto string
	port  uint16 // the external one
}

// add adds a host that knows some others to the world, and starts it.
func (w *world) add(k kind, ip string, knows ...*host) *host {
	h := w.host(k, ip)
	for _, other := range knows {
		h.table[other.id()] = other.self()
	}
	h.pid = w.system.Root.Spawn(h.service.Props())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[h.ip] = h
	return h
}

// host returns a host whose actor does not run.
func (w *world) host(k kind, ip string) *host {
	key := fixture.Key(w.t)
	h := &host{
		w: w, kind: k, sight: 3 * delay, ip: netip.MustParseAddr(ip), key: key, in: make(chan net.Conn, 256), last: 40000,
		table: map[enode.ID]*enode.Node{}, ports: map[binding]uint16{}, inside: map[flow]uint16{},
		sent: map[flow]map[netip.AddrPort]bool{}, stray: map[netip.AddrPort]int{}, syns: map[netip.AddrPort]*syn{},
	}
	h.renew(punch.State{})
	h.service = punch.New(punch.Config{
		ID: h.id(), Self: h.self, Line: h, TCPPort: h, Clock: supervise.SystemClock,
		OwnAddrs:       func() []netip.Addr { return h.own() },
		OpenSecondPort: h.openSecondPort,
		Inbound:        func(conn net.Conn) { h.in <- conn },
		Refuse: func(id enode.ID, addr netip.Addr) bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.banned != nil && (id == h.banned.id() || addr == h.banned.ip)
		},
		Changed: func(s punch.State) {
			if h.renew(s) {
				w.system.Root.Send(h.pid, &punch.Renewed{})
			}
		},
	})
	return h
}

func (h *host) own() []netip.Addr {
	if h.kind == public {
		return []netip.Addr{h.ip}
	}
	return []netip.Addr{netip.MustParseAddr("192.168.1.2")}
}

func (h *host) id() enode.ID { return enode.PubkeyToIDV4(&h.key.PublicKey) }

func (h *host) self() *enode.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.record
}

// renew makes the host's record, as the announcer does, and reports whether it changed.
func (h *host) renew(s punch.State) bool {
	var r enr.Record
	r.Set(punch.NewEntry(s.Belief))
	switch {
	case h.kind == public:
		r.Set(enr.IPv4Addr(h.ip))
		r.Set(enr.UDP(hostPort))
		r.Set(enr.TCP(hostPort))
	case s.Observed.IsValid():
		r.Set(enr.IPv4Addr(s.Observed.Addr()))
		r.Set(enr.UDP(s.Observed.Port()))
		r.Set(enr.TCP(hostPort))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	seq := uint64(1)
	if h.record != nil {
		seq = h.record.Seq() + 1
	}
	r.SetSeq(seq)
	if err := enode.SignV4(&r, h.key); err != nil {
		panic(err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		panic(err)
	}
	h.record = n
	return true
}

// out returns the endpoint under which a datagram leaves the host's NAT.
func (h *host) out(proto string, local uint16, to netip.AddrPort) netip.AddrPort {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kind == public {
		return netip.AddrPortFrom(h.ip, local)
	}
	b := binding{proto: proto, local: local}
	if h.kind == symmetric {
		b.to = to
	}
	port, ok := h.ports[b]
	if !ok {
		h.last++
		port = h.last
		h.ports[b], h.inside[flow{proto, port}] = port, local
		h.sent[flow{proto, port}] = map[netip.AddrPort]bool{}
	}
	h.sent[flow{proto, port}][to] = true
	return netip.AddrPortFrom(h.ip, port)
}

// admits reports whether the NAT lets a datagram in.
func (h *host) admits(proto string, port uint16, from netip.AddrPort) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent, bound := h.sent[flow{proto, port}]
	switch {
	case h.kind == public:
		return true
	case !bound:
		return false
	case h.kind == fullcone && proto == "udp":
		return true
	case h.kind == restricted && proto == "udp":
		for to := range sent {
			if to.Addr() == from.Addr() {
				return true
			}
		}
		return false
	}
	return sent[from]
}

// cross carries a datagram to a host. It returns nil if the datagram is lost.
func (w *world) cross(proto string, from, to netip.AddrPort) *host {
	time.Sleep(delay)
	w.mu.Lock()
	h, lost := w.hosts[to.Addr()], w.random.Float64() < w.loss
	w.mu.Unlock()
	if h == nil || lost || !h.admits(proto, to.Port(), from) {
		return nil
	}
	return h
}

var (
	errTimeout = errors.New("timeout")
	errSilence = errors.New("no host there")
)

// ask carries a request to a node and its answer back.
func (h *host) ask(to *enode.Node, answer func(at *host, from netip.AddrPort) []byte) ([]byte, error) {
	dst, ok := to.UDPEndpoint()
	if !ok {
		return nil, errSilence
	}
	src := h.out("udp", hostPort, dst)
	other := h.w.cross("udp", src, dst)
	if other == nil || other.id() != to.ID() {
		time.Sleep(patience)
		return nil, errTimeout
	}
	b := answer(other, src)
	if back := other.out("udp", hostPort, src); back != dst || h.w.cross("udp", back, src) != h {
		time.Sleep(patience)
		return nil, errTimeout
	}
	return b, nil
}

func (h *host) Talk(to *enode.Node, protocol string, request []byte) ([]byte, error) {
	return h.ask(to, func(at *host, from netip.AddrPort) []byte {
		if protocol != punch.Protocol {
			return nil
		}
		at.mu.Lock()
		lie := at.lie
		at.mu.Unlock()
		if lie != nil {
			if b := lie(request); b != nil {
				return b
			}
		}
		return at.service.Handle(h.self(), from, request)
	})
}

func (h *host) Ping(to *enode.Node) (seen netip.AddrPort, err error) {
	h.mu.Lock()
	at, _ := to.UDPEndpoint()
	h.pinged = append(h.pinged, at)
	h.mu.Unlock()
	_, err = h.ask(to, func(_ *host, from netip.AddrPort) []byte {
		seen = from
		return nil
	})
	return seen, err
}

func (h *host) Record(of *enode.Node) (n *enode.Node, err error) {
	h.mu.Lock()
	h.asked++
	much := h.asked > 1000
	h.mu.Unlock()
	if much {
		time.Sleep(time.Hour) // otherwise a test in simulated time would never end
	}
	_, err = h.ask(of, func(at *host, _ netip.AddrPort) []byte {
		n = at.self()
		return nil
	})
	return n, err
}

func (h *host) Neighbours() (list []*enode.Node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.table {
		list = append(list, n)
	}
	return list
}

func (h *host) Known(id enode.ID) *enode.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.table[id]
}

func (h *host) Learn(n *enode.Node) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.table[n.ID()] = n
}

func (h *host) Send(to netip.AddrPort, datagram []byte) error {
	src := h.out("udp", hostPort, to)
	h.w.mu.Lock()
	if h.w.hosts[to.Addr()] == nil {
		h.mu.Lock()
		h.stray[to]++
		h.mu.Unlock()
	}
	h.w.mu.Unlock()
	go func() {
		other := h.w.cross("udp", src, to)
		if other == nil {
			return
		}
		other.mu.Lock()
		socket := other.other
		other.mu.Unlock()
		if other.kind == public && socket != nil && to.Port() == socket.port {
			socket.in <- packet{datagram, src}
			return
		}
		other.service.Sniff(datagram, src)
	}()
	return nil
}
