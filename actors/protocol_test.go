package actors

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/wire"
)

func TestMatch(t *testing.T) {
	p := func(name string, version uint, length uint64) Protocol {
		return Protocol{Name: name, Version: version, Length: length}
	}
	c := func(name string, version uint) wire.Cap { return wire.Cap{Name: name, Version: version} }
	for _, tt := range []struct {
		name   string
		local  []Protocol
		remote []wire.Cap
		want   string // name/version@offset
	}{
		{"nothing in common", []Protocol{p("eth", 68, 17)}, []wire.Cap{c("les", 4), c("eth", 69)}, ""},
		{"nothing offered", nil, []wire.Cap{c("eth", 68)}, ""},
		{"one", []Protocol{p("eth", 68, 17)}, []wire.Cap{c("eth", 68)}, "eth/68@16"},
		{"the highest that both have", []Protocol{p("eth", 67, 10), p("eth", 69, 18), p("eth", 68, 17)},
			[]wire.Cap{c("eth", 68), c("eth", 66), c("eth", 67)}, "eth/68@16"},
		{"sorted by name", []Protocol{p("snap", 1, 8), p("bzz", 3, 5), p("eth", 68, 17)},
			[]wire.Cap{c("eth", 68), c("snap", 1), c("bzz", 3)}, "bzz/3@16 eth/68@21 snap/1@38"},
		{"lengths are those of the version", []Protocol{p("a", 1, 100), p("a", 2, 3), p("b", 1, 1)},
			[]wire.Cap{c("a", 2), c("a", 1), c("b", 1)}, "a/2@16 b/1@19"},
		{"capital letters first", []Protocol{p("b", 1, 2), p("B", 1, 2)}, []wire.Cap{c("b", 1), c("B", 1)}, "B/1@16 b/1@18"},
		{"the remote repeats itself", []Protocol{p("eth", 68, 17), p("snap", 1, 8)},
			[]wire.Cap{c("eth", 68), c("eth", 68), c("snap", 1)}, "eth/68@16 snap/1@33"},
		{"no codes at all", []Protocol{p("a", 1, 0), p("b", 1, 2)}, []wire.Cap{c("a", 1), c("b", 1)}, "a/1@16 b/1@16"},
		{"the remote has many other protocols", []Protocol{p("eth", 68, 17)}, []wire.Cap{c("aaa", 1), c("eth", 68), c("zzz", 1)}, "eth/68@16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, m := range Match(tt.local, tt.remote) {
				got = append(got, fmt.Sprintf("%v@%d", m.Cap(), m.Offset))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestProtocolDefaults(t *testing.T) {
	p := Protocol{Name: "a"}.withDefaults()
	if p.Budget != DefaultBudget || p.HighWater != DefaultHighWater || p.OutboxLimit != DefaultOutboxLimit {
		t.Errorf("defaults are %d, %d, %d", p.Budget, p.HighWater, p.OutboxLimit)
	}
	p = Protocol{Budget: 1, HighWater: 2, OutboxLimit: 3}.withDefaults()
	if p.Budget != 1 || p.HighWater != 2 || p.OutboxLimit != 3 {
		t.Errorf("explicit values became %d, %d, %d", p.Budget, p.HighWater, p.OutboxLimit)
	}
}
