package nat

import (
	"testing"
	"time"
)

// stall lets time pass during which this node does not run: its timers are late, and routers go on.
func (s *sim) stall(d time.Duration) { s.now = s.now.Add(d) }

// TestStall: the machine does not run for a time, in which its leases or the router's calls may end.
// It then has its mappings again within seconds, whether it is told of the stall or only late.
func TestStall(t *testing.T) {
	tests := []struct {
		name   string
		before time.Duration // from the start to the stall
		stall  time.Duration
		at     func(r *simRouter) // what happens to the router meanwhile
	}{
		{name: "shorter than the rest of the lease", before: time.Minute, stall: 10 * time.Minute},
		{name: "longer than the rest of the lease", before: time.Minute, stall: 2 * time.Hour},
		{name: "longer than two leases", before: 20 * time.Minute, stall: 8 * time.Hour},
		{name: "while the search runs", before: 20 * time.Millisecond, stall: 2 * time.Hour},
		{name: "while the mappings are asked for", before: 120 * time.Millisecond, stall: 2 * time.Hour},
		{name: "the router restarts meanwhile", before: time.Minute, stall: 10 * time.Minute, at: (*simRouter).reboot},
	}
	for name, router := range map[string]func() *simRouter{"UPnP": upnpRouter, "NAT-PMP": pmpRouter, "PCP": pcpRouter} {
		for _, tt := range tests {
			for _, told := range []bool{false, true} {
				t.Run(name+", "+tt.name+map[bool]string{true: ", told"}[told], func(t *testing.T) {
					r := router()
					s := newSim(t, r)
					s.run(tt.before)
					s.stall(tt.stall)
					if tt.at != nil {
						tt.at(r)
					}
					within := readEvery + 2*searchGap // the router's clock or list must be read
					if told {
						s.machine.onResumed(s.now)
						s.perform()
						within = searchGap + time.Second
					}
					s.run(within)
					s.state(Mapped)
					a := s.machine.address()
					if !r.maps(TCP, a.TCPPort) || !r.maps(UDP, a.UDPPort) {
						t.Errorf("announced %v, which the router does not map; log:\n%s", a, s.story())
					}
				})
			}
		}
	}
}

// TestLeaseEndsWithoutRenewal: a lease that ends while no call has failed is asked for again.
func TestLeaseEndsWithoutRenewal(t *testing.T) {
	r := pcpRouter()
	s := newSim(t, r)
	s.run(time.Minute)
	s.stall(lifetime)
	s.run(time.Second)
	if len(r.mapCalls) != 4 || s.count(eventMapped) != 4 {
		t.Errorf("%d requests, want two for each port; log:\n%s", len(r.mapCalls), s.story())
	}
}
