package nat

import (
	"net/netip"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestActorOnLoopback runs the actor, with its finder and its libraries, against routers on
// loopback in real time.
func TestActorOnLoopback(t *testing.T) {
	box, igd := newFakeUDP(t, "127.5.4.1"), newFakeIGD(t, "127.5.4.2")
	absent := netip.MustParseAddr("127.5.4.3")
	reset := func() {
		box.set(func(f *fakeUDP) { f.pcp, f.code, f.wrong, f.ip = true, 0, 0, [4]byte{30, 10, 10, 1} })
		igd.set(func(f *fakeIGD) {
			f.version, f.permanent, f.ip = 1, false, "30.10.10.1"
			clear(f.taken)
			clear(f.errors)
			clear(f.garbage)
		})
	}
	derived := derivedPort(simNode, 0)
	for _, tt := range []struct {
		name    string
		gateway netip.Addr
		igd     *fakeIGD
		fault   func()
		want    ExternalAddress // zero: none
		state   State
	}{
		{name: "PCP first", gateway: box.addr, igd: igd, want: ExternalAddress{TCPPort: 30303, UDPPort: 30303, Method: MethodPCP}},
		{name: "PCP refuses, UPnP maps", gateway: box.addr, igd: igd, fault: func() { box.set(func(f *fakeUDP) { f.code = 2 }) }, want: ExternalAddress{TCPPort: 30303, UDPPort: 30303, Method: MethodUPnP}},
		{name: "NAT-PMP grants another port", gateway: box.addr, fault: func() { box.set(func(f *fakeUDP) { f.pcp, f.wrong = false, 40001 }) }, want: ExternalAddress{TCPPort: 40001, UDPPort: 40001, Method: MethodPMP}},
		{name: "UPnP, permanent only", gateway: absent, igd: igd, fault: func() { igd.set(func(f *fakeIGD) { f.permanent = true }) }, want: ExternalAddress{TCPPort: 30303, UDPPort: 30303, Method: MethodUPnP}},
		{name: "UPnP 1, TCP port in use", gateway: absent, igd: igd, fault: func() { igd.set(func(f *fakeIGD) { f.taken["TCP 30303"] = true }) }, want: ExternalAddress{TCPPort: derived, UDPPort: 30303, Method: MethodUPnP}},
		{name: "UPnP 2, TCP port in use", gateway: absent, igd: igd, fault: func() { igd.set(func(f *fakeIGD) { f.version = 2; f.taken["TCP 30303"] = true }) }, want: ExternalAddress{TCPPort: 41000, UDPPort: 30303, Method: MethodUPnP}},
		{name: "UPnP fails once for each port", gateway: absent, igd: igd, fault: func() { igd.set(func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{501, 501} }) }, want: ExternalAddress{TCPPort: 30303, UDPPort: 30303, Method: MethodUPnP}},
		{name: "double NAT", gateway: box.addr, igd: igd, state: DoubleNAT, fault: func() {
			box.set(func(f *fakeUDP) { f.ip = [4]byte{100, 64, 0, 9} })
			igd.set(func(f *fakeIGD) { f.ip = "10.0.0.1" })
		}},
		{name: "garbage", gateway: absent, igd: igd, state: Unmapped, fault: func() { igd.set(func(f *fakeIGD) { f.garbage["AddPortMapping"] = "<?xml \x01" }) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reset()
			if tt.fault != nil {
				tt.fault()
			}
			news := runOnLoopback(t, home(Spec{}, tt.gateway, tt.igd), tt.want, tt.state)
			if len(news) > 0 {
				t.Errorf("a second announcement: %+v", <-news)
			}
			box.set(func(f *fakeUDP) {
				igd.set(func(g *fakeIGD) {
					if len(f.maps) > 0 || len(g.maps) > 0 {
						t.Errorf("mappings left in the routers: %v, %v", f.maps, g.maps)
					}
					clear(f.maps)
					clear(g.maps)
				})
			})
		})
	}
}

// runOnLoopback runs an actor until it has published want. If want is zero, it runs the actor until
// it has the wanted state.
func runOnLoopback(t *testing.T, find *finder, want ExternalAddress, state State) (news chan ExternalAddress) {
	t.Helper()
	system := actortest.NewSystem()
	news = make(chan ExternalAddress, 8)
	c, err := Config{NodeID: simNode, Secret: secret, TCPPort: 30303, UDPPort: 30303, Publish: func(a ExternalAddress) { news <- a }}.complete()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, root: system.Root, nat: newNAT(c, find), stopped: make(chan struct{})}
	p := &parent{Supervisor: supervise.NewSupervisor(supervise.SystemClock, nil, nil), stage: s, props: s.nat.Props(), spawned: make(chan struct{})}
	top := s.root.Spawn(actor.PropsFromProducer(func() actor.Actor { return p }, actor.WithSupervisor(p)))
	<-p.spawned
	if want.Method == "" {
		for deadline := time.Now().Add(30 * time.Second); s.status().State != state; {
			if time.Now().After(deadline) {
				t.Fatalf("%+v", s.status())
			}
			pause(t.Context(), 20*time.Millisecond)
		}
		if st := s.status(); len(st.Problems) == 0 || st.External.IP.IsValid() {
			t.Errorf("%+v", st)
		}
	} else {
		select {
		case a := <-news:
			a.Router, want.IP, want.Confidence = "", wan, Granted
			if a != want {
				t.Errorf("published %+v, want %+v", a, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%+v", s.status())
		}
	}
	supervise.Send(s.root, s.pid, &Leave{})
	<-s.stopped
	s.root.Stop(top)
	return news
}
