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

// Limits on what other nodes can make this node do in a minute.
const (
	// requestsFrom is for messages of any kind from one node.
	requestsFrom = 120
	// callsFrom is for the calls that this node relays for one caller, and ringsTo for the rings that it
	// sends to one target. callsFromAt and ringsToAt are for one address (IPv6: a /64), because the owner
	// of an address can run many nodes there, and put it into the records of many.
	callsFrom, ringsTo     = 30, 30
	callsFromAt, ringsToAt = 60, 60
	// connectionsAt is for the connections from one address that are exempt from the limits for strangers, so
	// that the remote learns its TCP endpoint.
	connectionsAt = 20
	// openersBy is for the openers that one neighbour asks for, and openersTo for those that go to one
	// address (IPv6: a /64), whichever neighbour asks.
	openersBy, openersTo = 60, 20
	// secondPortFrom is for the answers of the second port to one address.
	secondPortFrom = 30
	// sentTo is for the datagrams of this node's own calls to one address, because a relay may lie about
	// where a target is.
	sentTo = 60
	// maxRelaying is how many rings may wait for an answer at the same time, and maxRinging how many of
	// them at one node: the library sends a node one request at a time, so a silent node would take up
	// the room of all others.
	maxRelaying, maxRinging = 32, 4
	// maxKeys is how many nodes or addresses each limit remembers.
	maxKeys = 4096
)

// Service connects hole punching with discovery. It outlives the actor's incarnations. Its methods are safe
// from any goroutine. It also does the work of a relay, which needs no state except limits.
type Service struct {
	cfg        Config
	state      atomic.Pointer[State]
	relayed    atomic.Uint64
	refused    atomic.Uint64
	puncher    atomic.Pointer[actorRef]                       // nil: it does not run
	chosen     atomic.Pointer[func(enode.ID, time.Time) bool] // reports whether this node said HELLO to a neighbour lately
	secondPort secondPort
	belief     belief // owned by the puncher, as is backoff
	backoff    backoff

	mu                                           sync.Mutex // guards the fields below
	requests, calls, rings, openersOf            *budget[enode.ID]
	callsAt, ringsAt, openers, connections, sent *budget[netip.Prefix] // by host
	relaying                                     int
	ringing                                      map[enode.ID]int // of relaying, those at each node
	expected                                     map[token]expectation
}

// actorRef is an actor with the context to send to it.
type actorRef struct {
	root *actor.RootContext
	pid  *actor.PID
}

// New returns a Service. It opens no port and starts no goroutine.
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

// State returns the current state.
func (s *Service) State() State {
	state := *s.state.Load()
	state.Relayed, state.Refused = s.relayed.Load(), s.refused.Load()
	return state
}

// Handle answers a TALKREQ. It runs in the caller's goroutine, and takes a round trip for a CALL. The
// session has proved the identity of from, and that it is at that endpoint. The answer is empty for an
// invalid request, and for a node that is refused or over its limits.
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

// within takes from a node's budget, and reports whether there was any left.
func (s *Service) within(b *budget[enode.ID], id enode.ID, now time.Time) bool {
	return take(s, b, id, now)
}

// withinAt takes from the budget of an address, and reports whether there was any left.
func (s *Service) withinAt(b *budget[netip.Prefix], ip netip.Addr, now time.Time) bool {
	return take(s, b, netaddr.Host(ip), now)
}

// take takes from a budget, and counts what is over it as refused.
func take[K comparable](s *Service, b *budget[K], key K, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := b.take(key, now)
	if !ok {
		s.refused.Add(1)
	}
	return ok
}

// hello answers HELLO with the endpoint of the sender, and lists the sender if its record is true.
func (s *Service) hello(from *enode.Node, at netip.AddrPort, msg hello) []byte {
	n, err := enode.New(enode.ValidSchemes, msg.Record)
	if err != nil || n.ID() != from.ID() {
		return nil
	}
	if where, ok := n.UDPEndpoint(); ok && netaddr.Unmap(where) == at {
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

// ring opens the NAT for a caller, if the neighbour that names it was chosen by this node.
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
		s.cfg.Logger.Debug("sending an opener failed", "addr", at, "err", err)
		return refused
	}
	supervise.Send(puncher.root, puncher.pid, &rung{caller: msg.Caller, token: msg.Token})
	return accepted
}

// openTimeout is how long an OPEN waits for the actors. Then the caller is asked to try again.
const openTimeout = 400 * time.Millisecond

// open passes OPEN to the actor that answers the call, and returns its answer.
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

// Sniff reports whether a datagram from the socket of discovery belongs to hole punching, and handles it if so.
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
	return true // discovery has no use for it in any case
}

// expectation is a datagram that may come.
type expectation struct {
	by   netip.AddrPort       // a STUN response from there; invalid: an opener, from anywhere
	tell func(netip.AddrPort) // receives what the response says, or where the opener came from
}

// expect handles the datagrams with a token, until forget.
func (s *Service) expect(t token, w expectation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected[t] = w
}

// forget ends expect.
func (s *Service) forget(t token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.expected, t)
}

// allowed reports whether this node sends to an endpoint that other nodes name.
func (s *Service) allowed(at netip.AddrPort) bool {
	ip := at.Addr()
	if !at.IsValid() || at.Port() == 0 || ip.IsUnspecified() || ip.IsMulticast() {
		return false
	}
	return s.cfg.Private || netaddr.Public(ip)
}

// refusesNode reports whether the configuration refuses a node.
func (s *Service) refusesNode(id enode.ID, addr netip.Addr) bool {
	return s.cfg.Refuse != nil && s.cfg.Refuse(id, addr)
}

// token binds an opener to a call, and a STUN response to its request.
type token = stun.ID

// newToken draws a token that no other node can guess.
func (s *Service) newToken() (t token) {
	if _, err := io.ReadFull(s.cfg.Rand, t[:]); err != nil {
		panic(err) // no token is better than one that can be guessed
	}
	return t
}
