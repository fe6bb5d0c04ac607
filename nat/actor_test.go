package nat

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// simSearch is a searcher that finds simulated routers.
type simSearch struct {
	mu       sync.Mutex
	routers  []*simRouter
	crash    bool // at the next search
	home     []network
	searches int
}

func (s *simSearch) find(ctx context.Context, spawn func(func()), report func(Mapper)) []error {
	s.mu.Lock()
	s.searches++
	crash := s.crash
	s.crash = false
	s.mu.Unlock()
	if crash {
		panic("in the search")
	}
	done := make(chan struct{})
	spawn(func() {
		defer close(done)
		for _, r := range s.routers {
			if pause(ctx, simDelay) {
				report(r.mapper())
			}
		}
	})
	<-done
	pause(ctx, time.Second)
	return nil
}

func (s *simSearch) networks() ([]network, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.home, nil
}

func (s *simSearch) watch(context.Context, []network, func(func()), func(any)) {}

// stage is an actor in a synctest bubble, under a supervisor, with everything that it published and
// logged.
type stage struct {
	nat  *NAT
	t    *testing.T
	root *actor.RootContext
	top  *actor.PID
	pid  *actor.PID
	find *simSearch

	mu      sync.Mutex
	news    []ExternalAddress
	shown   []Status
	journal []supervise.Step
	stopped chan struct{}
}

// parent supervises the actor as the node does.
type parent struct {
	*supervise.Supervisor
	stage   *stage
	props   *actor.Props
	spawned chan struct{} // closed when the actor is spawned; nil: no test waits for it
}

func (p *parent) Receive(ctx actor.Context) {
	if p.Handle(ctx.Message()) {
		return
	}
	switch ctx.Message().(type) {
	case *actor.Started:
		p.stage.pid = ctx.Spawn(p.props)
		p.Adopt(p.stage.pid, &supervise.Resident)
		if p.spawned != nil {
			close(p.spawned)
		}
	case *actor.Terminated:
		close(p.stage.stopped)
	}
}

// perform runs f with an actor in simulated time.
func perform(t *testing.T, f func(s *stage), edit func(*Config), routers ...*simRouter) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, find: &simSearch{routers: routers}, stopped: make(chan struct{})}
		for _, r := range routers {
			r.now, r.booted = time.Now, time.Now().Add(-time.Hour)
		}
		system := actortest.NewSystem()
		s.root = system.Root
		journal := supervise.NewJournal(nil, func(e supervise.Step) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.journal = append(s.journal, e)
		})
		c, err := Config{
			NodeID: simNode, Secret: secret, TCPPort: 30303, UDPPort: 30303, Journal: journal, Random: func() float64 { return 0.5 },
			Publish: func(a ExternalAddress) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.news = append(s.news, a)
			},
			Changed: func(st Status) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.shown = append(s.shown, st)
			},
		}.complete()
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(&c)
			if c, err = c.complete(); err != nil {
				t.Fatal(err)
			}
		}
		var find searcher = s.find
		if c.Spec.Method == MethodListen {
			find = newFinder(c.Spec, c.bound(), c.Secret, "")
		}
		s.nat = newNAT(c, find)
		p := &parent{Supervisor: supervise.NewSupervisor(supervise.SystemClock, journal, nil), stage: s, props: s.nat.Props()}
		s.top = s.root.Spawn(actor.PropsFromProducer(func() actor.Actor { return p }, actor.WithSupervisor(p)))
		synctest.Wait()
		f(s)
		s.root.Stop(s.top)
		<-s.stopped
		time.Sleep(15 * time.Second) // pending calls end with their deadlines
	})
}

func (s *stage) status() *Status {
	s.t.Helper()
	if s.find != nil { // in a bubble: wait until the actor has handled all messages
		synctest.Wait()
	}
	st := s.nat.State()
	return &st
}

func (s *stage) logged(event string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.journal {
		if e.Event == event {
			n++
		}
	}
	return n
}

// after advances the simulated time.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestActorMapsPublishesAndLeaves(t *testing.T) {
	r := upnpRouter()
	perform(t, func(s *stage) {
		after(2 * time.Second)
		st := s.status()
		if st.State != Mapped || st.Router.Name != "sim" || st.Method != MethodUPnP || len(st.Ports) != 2 || st.Ports[0].External != 30303 || time.Until(st.Ports[1].Ends) < 59*time.Minute {
			t.Errorf("%+v", st)
		}
		want := ExternalAddress{IP: wan, TCPPort: 30303, UDPPort: 30303, Method: MethodUPnP, Router: "sim at 192.168.10.1", Confidence: Granted}
		if len(s.news) != 1 || s.news[0] != want {
			t.Errorf("published %+v", s.news)
		}
		supervise.Send(s.root, s.pid, &Inbound{Protocol: UDP})
		after(2 * time.Hour)
		if st := s.status(); len(s.news) != 1 || st.External.Confidence != Granted && st.External.Confidence != Proved {
			t.Errorf("published %+v, confidence now %v", s.news, st.External.Confidence)
		}
		if shown := s.shown[len(s.shown)-1]; !reflect.DeepEqual(shown, *s.status()) || len(s.shown) > 30 {
			t.Errorf("%d snapshots, the last is %+v, the status is %+v", len(s.shown), shown, s.status())
		}
		if s.logged(eventMapped) != 2 || s.logged(eventRenewed) < 6 {
			t.Errorf("%d mapped, %d renewed", s.logged(eventMapped), s.logged(eventRenewed))
		}
		began := time.Now()
		supervise.Send(s.root, s.pid, &Leave{})
		<-s.stopped
		s.stopped = make(chan struct{})
		close(s.stopped)
		if len(r.table) != 0 || time.Since(began) > leaveTime {
			t.Errorf("left %v behind after %v", r.table, time.Since(began))
		}
	}, nil, r)
}

func TestActorLeavesInTimeWhereTheRouterIsSilent(t *testing.T) {
	r := upnpRouter()
	perform(t, func(s *stage) {
		after(2 * time.Second)
		r.hangs = true // no call before Leave
		began := time.Now()
		supervise.Send(s.root, s.pid, &Leave{})
		<-s.stopped
		s.stopped = make(chan struct{})
		close(s.stopped)
		if took := time.Since(began); took != leaveTime {
			t.Errorf("took %v", took)
		}
		time.Sleep(20 * time.Second)
	}, nil, r)
}

// TestPanicInEachCall: a panic in a library call restarts the actor and does not change the
// announcement.
func TestPanicInEachCall(t *testing.T) {
	for _, op := range []string{"search", "read", "map", "verify", "unmap"} {
		t.Run(op, func(t *testing.T) {
			r := upnpRouter()
			perform(t, func(s *stage) {
				after(5 * time.Second)
				crashed := false
				s.find.mu.Lock()
				s.find.crash = op == "search"
				s.find.mu.Unlock()
				r.locked(func() {
					if op == "search" || op == "map" {
						r.reboot() // so that there is a search and a request
						r.fail = func(got string) error {
							if got == "verify" {
								return &Error{Cause: Unreachable}
							}
							return nil
						}
					}
					before := r.fail
					r.fail = func(got string) error {
						if got == op && !crashed {
							crashed = true
							panic("in " + op)
						}
						if before != nil {
							return before(got)
						}
						return nil
					}
				})
				after(3 * time.Minute)
				r.locked(func() { r.fail = nil })
				after(time.Minute)
				if st := s.status(); st.State != Mapped {
					t.Errorf("%+v", st)
				}
				if len(r.table) != 2 || len(s.news) != 1 {
					t.Errorf("the router has %v, published %+v", r.table, s.news)
				}
				failed := 0
				for _, e := range s.journal {
					if e.Event == supervise.Failed && strings.Contains(e.Stack, "nat.") && strings.Contains(e.Reason, "in ") {
						failed++
					}
				}
				if failed != 1 || s.logged(supervise.Restarted) != 1 {
					t.Errorf("%d crashes, %d restarts, want one each", failed, s.logged(supervise.Restarted))
				}
			}, nil, r)
		})
	}
}

func TestActorWithoutRouter(t *testing.T) {
	perform(t, func(s *stage) {
		after(3 * time.Second)
		if st := s.status(); st.State != Unmapped || st.NextTry.IsZero() {
			t.Errorf("%+v", st)
		}
		after(24 * time.Hour)
		if s.logged(eventNoRouter) != 1 || len(s.news) != 0 || s.find.searches > 75 {
			t.Errorf("no_router logged %d times, published %v, %d searches", s.logged(eventNoRouter), s.news, s.find.searches)
		}
	}, nil)
}

func TestActorMovesWithTheHost(t *testing.T) {
	r := pmpRouter()
	perform(t, func(s *stage) {
		after(8 * time.Second)
		// An address without a gateway is not a change; a new default route is.
		for i, change := range []struct {
			gateway  string
			searches int
		}{{"", 1}, {"192.168.77.1", 2}} {
			n := network{name: "nowhere", local: netip.MustParsePrefix("192.168.77.5/24")}
			if change.gateway != "" {
				n.gateway = netip.MustParseAddr(change.gateway)
			}
			s.find.mu.Lock()
			s.find.home = []network{n}
			s.find.mu.Unlock()
			after(lookEvery + 2*time.Second)
			s.find.mu.Lock()
			if s.find.searches != change.searches {
				t.Errorf("change %d: %d searches, want %d", i, s.find.searches, change.searches)
			}
			s.find.mu.Unlock()
		}
		if len(s.news) != 1 {
			t.Errorf("published %+v", s.news)
		}
	}, nil, r)
}

func TestConfigWithoutRouter(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spec   Spec
		listen string
		want   string // published
		state  State
	}{
		{name: "off", spec: Spec{Off: true}, state: Unmapped},
		{name: "off, bound to one address", spec: Spec{Off: true}, listen: "127.0.0.1", want: "127.0.0.1 listen configured", state: Mapped},
		{name: "any, bound to one address", listen: "10.0.0.7", want: "10.0.0.7 listen configured", state: Mapped},
		{name: "any, bound to all", listen: "0.0.0.0", state: Unmapped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			perform(t, func(s *stage) {
				after(3 * time.Second)
				got := ""
				if len(s.news) == 1 {
					got = s.news[0].IP.String() + " " + string(s.news[0].Method) + " " + s.news[0].Confidence.String()
				}
				if st := s.status(); got != tt.want || st.State != tt.state {
					t.Errorf("published %q, want %q; state %v, want %v", got, tt.want, st.State, tt.state)
				}
			}, func(c *Config) {
				c.Spec = tt.spec
				if tt.listen != "" {
					c.Listen = netip.MustParseAddr(tt.listen)
				}
			})
		})
	}
	if _, err := New(Config{TCPPort: 1}); err == nil {
		t.Error("a Config without Publish is accepted")
	}
	if _, err := New(Config{Publish: func(ExternalAddress) {}}); err == nil {
		t.Error("a Config without ports is accepted")
	}
}
