package peers

import "testing"

func TestDialShare(t *testing.T) {
	for _, tt := range []struct{ peers, ratio, want int }{
		{0, 3, 0}, {1, 3, 1}, {2, 3, 1}, {3, 3, 2}, {5, 3, 3}, {8, 3, 4}, {12, 3, 4}, {50, 3, 16}, {50, 1, 50}, {50, 50, 4},
	} {
		if got := DialShare(tt.peers, tt.ratio); got != tt.want {
			t.Errorf("%d peers, ratio %d: %d, want %d", tt.peers, tt.ratio, got, tt.want)
		}
	}
}

func TestDialRoom(t *testing.T) {
	fifty := Limits{Peers: 50, Outbound: 16}
	tests := []struct {
		name    string
		limits  Limits
		counts  counts
		starved bool
		want    int
	}{
		{name: "no peers", limits: fifty, want: 16},
		{name: "some dialed", limits: fifty, counts: counts{others: 10, outbound: 10}, want: 6},
		{name: "share of dials is full", limits: fifty, counts: counts{others: 16, outbound: 16}, want: 0},
		{name: "starved", limits: fifty, counts: counts{others: 16, outbound: 16}, starved: true, want: 50 - 12 - 16},
		{name: "starved, a quarter is kept", limits: fifty, counts: counts{others: 38, outbound: 38}, starved: true, want: 0},
		{name: "starved with older inbound peers", limits: fifty, counts: counts{others: 36, outbound: 16, inbound: 20}, starved: true, want: 2},
		{name: "more dialed than the share of dials", limits: fifty, counts: counts{others: 38, outbound: 20, inbound: 18}, want: -4},
		{name: "no room at all", limits: fifty, counts: counts{others: 50, outbound: 2, inbound: 34}, want: 0},
		{name: "room for loopback peers", limits: Limits{Peers: 50, Outbound: 16, Loopback: 100}, counts: counts{others: 50, loopback: 5, outbound: 2}, want: 14},
		{name: "no room without loopback peers", limits: Limits{Peers: 50, Outbound: 16, Loopback: 100}, counts: counts{others: 50, outbound: 2}, want: 0},
		{name: "does not look for peers", limits: Limits{Peers: 50}, starved: true, want: 0},
		{name: "two peers, starved", limits: Limits{Peers: 2, Outbound: 1}, counts: counts{others: 1, outbound: 1}, starved: true, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.limits.dialRoom(tt.counts, tt.starved).Free(); got != tt.want {
				t.Errorf("room for %d, want %d", got, tt.want)
			}
		})
	}
}
