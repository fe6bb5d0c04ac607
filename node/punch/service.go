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
	connectionsAt = 20
	// openersBy is for the openers that one neighbour makes us send, and openersTo for those
	// that go to one address (an IPv6 /64), whoever asks.
	openersBy, openersTo = 60, 20
	// otherFrom is for the answers of the other port to one address.
	secondPortFrom = 30
	// sentTo is for the datagrams to one address that our own calls are worth, wherever relays say
	// that a target is.
	sentTo = 60
	// maxRelaying is how many rings may wait for their answer at the same time, and maxRinging
	// those at one node: the library asks it one thing at a time, and who is silent would take
	// the place of all others.
	maxRelaying, maxRinging = 32, 4
	// remembered is of how many nodes or addresses each limit knows.
	maxKeys = 4096
)

// Desk is where hole punching and discovery meet, and what outlives the actor's
// incarnations. Its methods are safe from any goroutine. What relays do is done here: it
// needs no state but limits.
type Service struct {
	cfg        Config
	state      atomic.Pointer[State]
	relayed    atomic.Uint64
	refused    atomic.Uint64
	puncher    atomic.Pointer[actorRef]                       // nil: it doesn't run
	chosen     atomic.Pointer[func(enode.ID, time.Time) bool] // says whether we told a neighbour where we are
	secondPort secondPort
	belief     belief // owned by the puncher, as the memory is
	backoff    backoff

	mu                                           sync.Mutex // guards what follows
	requests, calls, rings, openersOf            *budget[enode.ID]
	callsAt, ringsAt, openers, connections, sent *budget[netip.Prefix] // by host
	relaying                                     int
	ringing                                      map[enode.ID]int // of relaying, those at each node
	expected                                     map[token]expectation
}

// address is an actor, and how to reach it.
type actorRef struct {
	root *actor.RootContext
	pid  *actor.PID
}

// New makes a desk. It opens nothing and starts nothing.
func New(c Config) *Service {
	if c.Clock == nil {
		c.Clock = supervise.SystemClock
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		cfg: c, expected: map[token]expectation{},
		requests: newBudget[enode.ID](requestsFrom, maxKeys), calls: newBudget[enode.ID](callsFrom, maxKeys),
		rings: newBudget[enode.ID](ringsTo, maxKeys), openersOf: newBudget[enode.ID](openersBy, maxKeys),
		callsAt: newBudget[netip.Prefix](callsFromAt, maxKeys), ringsAt: newBudget[netip.Prefix](ringsToAt, maxKeys),
		openers: newBudget[netip.Prefix](openersTo, maxKeys), connections: newBudget[netip.Prefix](connectionsAt, maxKeys),
		sent:    newBudget[netip.Prefix](sentTo, maxKeys),
		ringing: map[enode.ID]int{},
	}
	s.state.Store(&State{Calls: map[string]uint64{}, Rung: map[string]uint64{}})
	return s
}

// State is how things stand.
func (s *Service) State() State {
	state := *s.state.Load()
	state.Relayed, state.Refused = s.relayed.Load(), s.refused.Load()
	return state
}

// Handle answers a TALKREQ. It runs in a goroutine of its caller's, and takes a round trip
// for a CALL. from has proved who it is, and that it is at that endpoint.
func (s *Service) Handle(from *enode.Node, at netip.AddrPort, request []byte) []byte {
	now := s.cfg.Clock.Now()
	msg, err := decodeRequest(request)
	if err != nil || !s.allowed(at) || s.refusesNode(from.ID(), at.Addr()) || !s.within(s.requests, from.ID(), now) {
		return nil
	}
	switch msg := msg.(type) {
	case hello:
		return s.hello(from, at, msg)
	case call:
		return encode(s.relay(from.ID(), at, msg, now))
	case ring:
		return encode(ringAnswer{Status: s.ring(from.ID(), msg, now)})
	case open:
		return encode(s.open(from, at, msg))
	}
	return nil
}

// may takes from a node's budget.
func (s *Service) within(b *budget[enode.ID], id enode.ID, now time.Time) bool {
	return take(s, b, id, now)
}

// mayAt takes from an address's budget.
func (s *Service) withinAt(b *budget[netip.Prefix], ip netip.Addr, now time.Time) bool {
	return take(s, b, netaddr.Host(ip), now)
}

func take[K comparable](s *Service, b *budget[K], key K, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := b.take(key, now)
	if !ok {
		s.refused.Add(1)
	}
	return ok
}

// hello tells a neighbour what we see, and lists it.
func (s *Service) hello(from *enode.Node, at netip.AddrPort, msg hello) []byte {
	n, err := enode.New(enode.ValidSchemes, msg.Record)
	if err != nil || n.ID() != from.ID() {
		return nil
	}
	if where, ok := n.UDPEndpoint(); ok && where == at {
		s.cfg.Line.Learn(n)
	}
	if to := s.puncher.Load(); to != nil && s.state.Load().Belief == Unknown {
		supervise.Send(to.root, to.pid, &helloReceived{from: n, at: at})
	}
	if msg.TCP && s.cfg.TCPPort != nil && s.withinAt(s.connections, at.Addr(), s.cfg.Clock.Now()) {
		s.cfg.TCPPort.Await(at.Addr())
	}
	return encode(helloAnswer{Observed: endpoint{at}, SecondPort: s.secondPort.portNumber()})
}

// ring opens our NAT for a caller that a neighbour of our own choice names.
func (s *Service) ring(by enode.ID, msg ring, now time.Time) status {
	at := msg.Endpoint.AddrPort
	chosen, puncher := s.chosen.Load(), s.puncher.Load()
	switch {
	case puncher == nil || chosen == nil || !(*chosen)(by, now) || msg.Caller == s.cfg.ID || !s.allowed(at) || s.refusesNode(msg.Caller, at.Addr()):
		return refused
	case !s.within(s.openersOf, by, now) || !s.withinAt(s.openers, at.Addr(), now):
		return overLimit
	}
	// The opener is shorter than the RING that asks for it.
	if err := s.cfg.Line.Send(at, stun.Indication(msg.Token)); err != nil {
		s.cfg.Logger.Debug("opener not sent", "addr", at, "err", err)
		return refused
	}
	supervise.Send(puncher.root, puncher.pid, &rung{caller: msg.Caller, token: msg.Token})
	return accepted
}

// openPatience is how long an OPEN waits for the actors. The caller asks again.
const openTimeout = 400 * time.Millisecond

// open asks the actor that answers the call.
func (s *Service) open(from *enode.Node, at netip.AddrPort, msg open) openAnswer {
	to := s.puncher.Load()
	if to == nil {
		return openAnswer{Status: refused}
	}
	reply := make(chan openAnswer, 1)
	supervise.Send(to.root, to.pid, &openAsked{from: from.ID(), at: at, msg: msg, reply: reply})
	late := make(chan struct{})
	timer := s.cfg.Clock.AfterFunc(openTimeout, func() { close(late) })
	defer timer.Stop()
	select {
	case a := <-reply:
		return a
	case <-late:
		return openAnswer{Status: notReady}
	}
}

// Sniff takes datagrams that are for us out of what came to the socket of discovery.
func (s *Service) Sniff(datagram []byte, from netip.AddrPort) bool {
	t, ok := stun.ParseIndication(datagram)
	seen, by := from, netip.AddrPort{}
	if !ok {
		var err error
		if t, seen, err = stun.ParseResponse(datagram); err != nil {
			return false
		}
		by = from
	}
	s.mu.Lock()
	w := s.expected[t]
	s.mu.Unlock()
	if w.tell != nil && w.by == by {
		w.tell(seen)
	}
	return true // it is nothing that discovery could use
}

// awaited is a datagram that may come.
type expectation struct {
	by   netip.AddrPort       // an answer from there; not valid: an opener, from anywhere
	tell func(netip.AddrPort) // what the answer says, or where the opener came from
}

// await waits for the datagrams with a token, until forget.
func (s *Service) expect(t token, w expectation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected[t] = w
}

func (s *Service) forget(t token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.expected, t)
}

// allowed says whether we send to an endpoint that others name.
func (s *Service) allowed(at netip.AddrPort) bool {
	ip := at.Addr()
	if !at.IsValid() || at.Port() == 0 || ip.IsUnspecified() || ip.IsMulticast() {
		return false
	}
	return s.cfg.Private || netaddr.Public(ip)
}

// refuses says whether we have nothing to do with a node.
func (s *Service) refusesNode(id enode.ID, addr netip.Addr) bool {
	return s.cfg.Refuse != nil && s.cfg.Refuse(id, addr)
}

// token binds an opener to a call, and a STUN response to its request.
type token = stun.ID

// newToken draws a token that nobody can guess.
func (s *Service) newToken() (t token) {
	if _, err := io.ReadFull(s.cfg.Rand, t[:]); err != nil {
		panic(err) // a source of randomness that fails is worse than none
	}
	return t
}
