package discovery

import (
	"crypto/ecdsa"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// stage is the actor under a supervisor, in simulated time, with an actor that sends requests.
type stage struct {
	t         *testing.T
	net       *simNet
	root      *actor.RootContext
	tops      []*actor.PID // the supervisors
	pid       *actor.PID
	discovery *Discovery // the handle of the last spawn
	asker     *actor.PID
	key       *ecdsa.PrivateKey
	local     *enode.LocalNode
	log       *supervise.Journal

	mu       sync.Mutex
	got      []*Candidate
	resolved []*Resolved
	inbound  []netip.AddrPort
	journal  []supervise.Step
	stopped  chan struct{}
}

// parent supervises the actor as the node does.
type parent struct {
	*supervise.Supervisor
	stage   *stage
	props   *actor.Props
	spawned chan struct{}
}

func (p *parent) Receive(ctx actor.Context) {
	if p.Handle(ctx.Message()) {
		return
	}
	switch ctx.Message().(type) {
	case *actor.Started:
		pid, err := ctx.SpawnNamed(p.props, "discovery")
		if err != nil {
			panic(err)
		}
		p.stage.pid = pid
		p.Adopt(pid, &supervise.Resident)
		close(p.spawned)
	case *actor.Terminated:
		close(p.stage.stopped)
	}
}

// Receive is that of the asker.
func (s *stage) Receive(ctx actor.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch msg := ctx.Message().(type) {
	case *Candidate:
		s.got = append(s.got, msg)
	case *Resolved:
		s.resolved = append(s.resolved, msg)
	}
}

const stageAddr = "10.0.0.1:30303"

// perform runs f with the actor in simulated time. Its address is stageAddr; edit completes its
// configuration.
func perform(t *testing.T, edit func(*stage, *Config), f func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) }) // in simulated time; the library's last goroutines end
		s := &stage{t: t, net: newSimNet(), stopped: make(chan struct{})}
		journal := supervise.NewJournal(nil, func(e supervise.Step) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.journal = append(s.journal, e)
		})
		s.key = fixture.Key(t)
		s.local = newLocal(t, s.key, stageAddr)
		c := Config{Key: s.key, Local: s.local, Journal: journal, Inbound: func(from netip.AddrPort) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.inbound = append(s.inbound, from)
		}}
		c.Conns = []discover.UDPConn{s.net.listen(stageAddr)}
		edit(s, &c)
		d, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		system := actortest.NewSystem()
		s.root = system.Root
		s.log = journal
		s.asker = s.root.Spawn(actor.PropsFromFunc(s.Receive))
		s.spawn(d)
		synctest.Wait() // until it listens: what comes earlier is dropped as foreign
		f(s)
		if !s.gone() {
			s.root.Send(s.pid, &Leave{})
			<-s.stopped
		}
		for _, top := range append(s.tops, s.asker) {
			s.root.Stop(top)
		}
		system.Shutdown()
		s.local.Database().Close()
	})
}

// spawn starts the actor under a supervisor.
func (s *stage) spawn(d *Discovery) {
	s.discovery = d
	spawned, sup := make(chan struct{}), supervise.NewSupervisor(supervise.SystemClock, s.log, nil)
	s.tops = append(s.tops, s.root.Spawn(actor.PropsFromProducer(func() actor.Actor {
		return &parent{Supervisor: sup, stage: s, props: d.Props(), spawned: spawned}
	}, actor.WithSupervisor(sup))))
	<-spawned
}

func (s *stage) gone() bool {
	select {
	case <-s.stopped:
		return true
	default:
		return false
	}
}

func (s *stage) ask(n int) { s.root.Send(s.pid, &Request{N: n, To: s.asker}) }

// candidates waits until the asker has received n candidates, for ten minutes at most.
func (s *stage) candidates(n int) []*Candidate {
	s.t.Helper()
	return eventually(s, n, &s.got, "candidates")
}

// eventually waits, in simulated time, until the list has n entries.
func eventually[T any](s *stage, n int, list *[]T, what string) []T {
	s.t.Helper()
	for range 600 {
		s.mu.Lock()
		all := append([]T(nil), *list...)
		s.mu.Unlock()
		if len(all) >= n {
			return all
		}
		time.Sleep(time.Second)
	}
	s.t.Fatalf("%d %s after ten minutes, want %d; status %+v", len(*list), what, n, s.status())
	return nil
}

func (s *stage) status() State {
	if s.net != nil { // in a bubble: wait until the actor has handled all messages
		synctest.Wait()
	}
	return s.discovery.State()
}

// restarts counts the restarts in the journal.
func (s *stage) restarts() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.journal {
		if e.Event == supervise.Restarted {
			n++
		}
	}
	return n
}

// remote is a node with go-ethereum's discovery in the simulated network.
type remote struct {
	key   *ecdsa.PrivateKey
	local *enode.LocalNode
	v4    *discover.UDPv4
	v5    *discover.UDPv5
}

func (r *remote) node() *enode.Node { return r.local.Node() }

// addV4 and addV5 start a remote that speaks only this version.
func (s *stage) addV4(at string, boot ...*enode.Node) *remote {
	s.t.Helper()
	return s.addV4With(nil, at, boot...)
}

// addV4With is addV4 with more entries in the record.
func (s *stage) addV4With(entries []enr.Entry, at string, boot ...*enode.Node) *remote {
	s.t.Helper()
	key := fixture.Key(s.t)
	r := &remote{key: key, local: newLocal(s.t, key, at, entries...)}
	v4, err := discover.ListenV4(s.net.listen(at), r.local, discover.Config{PrivateKey: key, Bootnodes: boot, Clock: newLibraryClock(supervise.SystemClock)})
	if err != nil {
		s.t.Fatal(err)
	}
	r.v4 = v4
	s.t.Cleanup(func() { v4.Close(); r.local.Database().Close() })
	return r
}

func (s *stage) addV5(at string, boot ...*enode.Node) *remote {
	s.t.Helper()
	return s.addV5At(at, at, boot...)
}

// addV5At is addV5 with a record whose endpoint differs from the socket's.
func (s *stage) addV5At(record, at string, boot ...*enode.Node) *remote {
	s.t.Helper()
	key := fixture.Key(s.t)
	r := &remote{key: key, local: newLocal(s.t, key, record)}
	v5, err := discover.ListenV5(s.net.listen(at), r.local, discover.Config{PrivateKey: key, Bootnodes: boot, Clock: newLibraryClock(supervise.SystemClock)})
	if err != nil {
		s.t.Fatal(err)
	}
	r.v5 = v5
	s.t.Cleanup(func() { v5.Close(); r.local.Database().Close() })
	return r
}

// newLocal returns the record of a node at an address, for TCP and UDP.
func newLocal(t testing.TB, key *ecdsa.PrivateKey, at string, entries ...enr.Entry) *enode.LocalNode {
	t.Helper()
	db, err := enode.OpenDB("")
	if err != nil {
		t.Fatal(err)
	}
	ap := netip.MustParseAddrPort(at)
	l := enode.NewLocalNode(db, key)
	l.SetStaticIP(ap.Addr().AsSlice())
	l.SetFallbackUDP(int(ap.Port()))
	l.Set(enr.TCP(ap.Port()))
	for _, e := range entries {
		l.Set(e)
	}
	// Signing sleeps with a mutex held, and simulated time stands still while a goroutine waits for
	// a mutex. So sign here and not later.
	l.Node()
	return l
}
