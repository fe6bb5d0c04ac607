package punch

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/nat/stun"
)

// What others may make us do in a minute.
const (
	// requestsFrom is for messages of any kind from one node.
	requestsFrom = 120
	// callsFrom is for the calls that we relay for one node, and ringsTo for the rings that one
	// node gets from us. Whoever has one address (an IPv6 /64) may be many nodes, and name it in the
	// records of many.
	callsFrom, ringsTo     = 30, 30
	callsFromAt, ringsToAt = 60, 60
	// awaitsAt is for the connections from one address that we let in to tell what we see.
	awaitsAt = 20
	// openersBy is for the openers that one neighbour makes us send, and openersTo for those
	// that go to one address (an IPv6 /64), whoever asks.
	openersBy, openersTo = 60, 20
	// otherFrom is for the answers of the other port to one address.
	otherFrom = 30
	// sentTo is for the datagrams to one address that our own calls are worth, wherever relays say
	// that a target is.
	sentTo = 60
	// maxRelaying is how many rings may wait for their answer at the same time, and maxRinging
	// those at one node: the library asks it one thing at a time, and who is silent would take
	// the place of all others.
	maxRelaying, maxRinging = 32, 4
	// remembered is of how many nodes or addresses each limit knows.
	remembered = 4096
)

// Desk is where hole punching and discovery meet, and what outlives the actor's
// incarnations. Its methods are safe from any goroutine. What relays do is done here: it
// needs no state but limits.
type Desk struct {
	cfg     Config
	state   atomic.Pointer[State]
	relayed atomic.Uint64
	refused atomic.Uint64
	puncher atomic.Pointer[address]                        // nil: it doesn't run
	chosen  atomic.Pointer[func(enode.ID, time.Time) bool] // says whether we told a neighbour where we are
	other   otherPort
	belief  belief // owned by the puncher, as the memory is
	memory  memory

	mu                                      sync.Mutex // guards what follows
	requests, calls, rings, openersOf       *budget[enode.ID]
	callsAt, ringsAt, openers, awaits, sent *budget[netip.Prefix] // by host
	relaying                                int
	ringing                                 map[enode.ID]int // of relaying, those at each node
	awaited                                 map[token]awaited
}

// address is an actor, and how to reach it.
type address struct {
	root *actor.RootContext
	pid  *actor.PID
}

// New makes a desk. It opens nothing and starts nothing.
func New(c Config) *Desk {
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Desk{
		cfg: c, awaited: map[token]awaited{},
		requests: newBudget[enode.ID](requestsFrom, remembered), calls: newBudget[enode.ID](callsFrom, remembered),
		rings: newBudget[enode.ID](ringsTo, remembered), openersOf: newBudget[enode.ID](openersBy, remembered),
		callsAt: newBudget[netip.Prefix](callsFromAt, remembered), ringsAt: newBudget[netip.Prefix](ringsToAt, remembered),
		openers: newBudget[netip.Prefix](openersTo, remembered), awaits: newBudget[netip.Prefix](awaitsAt, remembered),
		sent:    newBudget[netip.Prefix](sentTo, remembered),
		ringing: map[enode.ID]int{},
	}
	d.state.Store(&State{Calls: map[string]uint64{}, Rung: map[string]uint64{}})
	return d
}

// State is how things stand.
func (d *Desk) State() State {
	s := *d.state.Load()
	s.Relayed, s.Refused = d.relayed.Load(), d.refused.Load()
	return s
}

// Handle answers a TALKREQ. It runs in a goroutine of its caller's, and takes a round trip
// for a CALL. from has proved who it is, and that it is at that endpoint.
func (d *Desk) Handle(from *enode.Node, at netip.AddrPort, request []byte) []byte {
	now := d.cfg.Clock.Now()
	msg, err := decodeRequest(request)
	if err != nil || !d.allowed(at) || d.refuses(from.ID(), at.Addr()) || !d.may(d.requests, from.ID(), now) {
		return nil
	}
	switch msg := msg.(type) {
	case hello:
		return d.hello(from, at, msg)
	case call:
		return encode(d.relay(from.ID(), at, msg, now))
	case ring:
		return encode(ringAnswer{Status: d.ring(from.ID(), msg, now)})
	case open:
		return encode(d.open(from, at, msg))
	}
	return nil
}

// may takes from a node's budget.
func (d *Desk) may(b *budget[enode.ID], id enode.ID, now time.Time) bool { return take(d, b, id, now) }

// mayAt takes from an address's budget.
func (d *Desk) mayAt(b *budget[netip.Prefix], ip netip.Addr, now time.Time) bool {
	return take(d, b, netaddr.Host(ip), now)
}

func take[K comparable](d *Desk, b *budget[K], key K, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	ok := b.take(key, now)
	if !ok {
		d.refused.Add(1)
	}
	return ok
}

// hello tells a neighbour what we see, and lists it.
func (d *Desk) hello(from *enode.Node, at netip.AddrPort, msg hello) []byte {
	n, err := enode.New(enode.ValidSchemes, msg.Record)
	if err != nil || n.ID() != from.ID() {
		return nil
	}
	if where, ok := n.UDPEndpoint(); ok && where == at {
		d.cfg.Line.Learn(n)
	}
	if to := d.puncher.Load(); to != nil && d.state.Load().Belief == Unknown {
		supervise.Send(to.root, to.pid, &greeted{from: n, at: at})
	}
	if msg.TCP && d.cfg.Door != nil && d.mayAt(d.awaits, at.Addr(), d.cfg.Clock.Now()) {
		d.cfg.Door.Await(at.Addr())
	}
	return encode(helloAnswer{Observed: endpoint{at}, OtherPort: d.other.port()})
}

// ring opens our NAT for a caller that a neighbour of our own choice names.
func (d *Desk) ring(by enode.ID, msg ring, now time.Time) status {
	at := msg.Endpoint.AddrPort
	chosen, puncher := d.chosen.Load(), d.puncher.Load()
	switch {
	case puncher == nil || chosen == nil || !(*chosen)(by, now) || msg.Caller == d.cfg.ID || !d.allowed(at) || d.refuses(msg.Caller, at.Addr()):
		return refused
	case !d.may(d.openersOf, by, now) || !d.mayAt(d.openers, at.Addr(), now):
		return tooMuch
	}
	// The opener is shorter than the RING that asks for it.
	if err := d.cfg.Line.Send(at, stun.Indication(msg.Token)); err != nil {
		d.cfg.Logger.Debug("opener not sent", "addr", at, "err", err)
		return refused
	}
	supervise.Send(puncher.root, puncher.pid, &rung{caller: msg.Caller, token: msg.Token})
	return yes
}

// openPatience is how long an OPEN waits for the actors. The caller asks again.
const openPatience = 400 * time.Millisecond

// open asks the actor that answers the call.
func (d *Desk) open(from *enode.Node, at netip.AddrPort, msg open) openAnswer {
	to := d.puncher.Load()
	if to == nil {
		return openAnswer{Status: refused}
	}
	reply := make(chan openAnswer, 1)
	supervise.Send(to.root, to.pid, &openAsked{from: from.ID(), at: at, msg: msg, reply: reply})
	late := make(chan struct{})
	timer := d.cfg.Clock.AfterFunc(openPatience, func() { close(late) })
	defer timer.Stop()
	select {
	case a := <-reply:
		return a
	case <-late:
		return openAnswer{Status: notReady}
	}
}

// Sniff takes datagrams that are for us out of what came to the socket of discovery.
func (d *Desk) Sniff(datagram []byte, from netip.AddrPort) bool {
	t, ok := stun.ParseIndication(datagram)
	seen, by := from, netip.AddrPort{}
	if !ok {
		var err error
		if t, seen, err = stun.ParseResponse(datagram); err != nil {
			return false
		}
		by = from
	}
	d.mu.Lock()
	w := d.awaited[t]
	d.mu.Unlock()
	if w.tell != nil && w.by == by {
		w.tell(seen)
	}
	return true // it is nothing that discovery could use
}

// awaited is a datagram that may come.
type awaited struct {
	by   netip.AddrPort       // an answer from there; not valid: an opener, from anywhere
	tell func(netip.AddrPort) // what the answer says, or where the opener came from
}

// await waits for the datagrams with a token, until forget.
func (d *Desk) await(t token, w awaited) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awaited[t] = w
}

func (d *Desk) forget(t token) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.awaited, t)
}

// allowed says whether we send to an endpoint that others name.
func (d *Desk) allowed(at netip.AddrPort) bool {
	ip := at.Addr()
	if !at.IsValid() || at.Port() == 0 || ip.IsUnspecified() || ip.IsMulticast() {
		return false
	}
	return d.cfg.Private || netaddr.Public(ip)
}

// refuses says whether we have nothing to do with a node.
func (d *Desk) refuses(id enode.ID, addr netip.Addr) bool {
	return d.cfg.Refuse != nil && d.cfg.Refuse(id, addr)
}

// token binds an opener to a call, and a STUN response to its request.
type token = stun.ID

// newToken draws a token that nobody can guess.
func (d *Desk) newToken() (t token) {
	if _, err := io.ReadFull(d.cfg.Rand, t[:]); err != nil {
		panic(err) // a source of randomness that fails is worse than none
	}
	return t
}
