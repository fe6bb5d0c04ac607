package nat

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func portPair(p ExternalPort) string { return fmt.Sprintf("%d/%d", p, p) }

func TestRenewal(t *testing.T) {
	for _, tt := range []struct {
		term         time.Duration
		random       float64
		least, exact time.Duration
	}{
		{term: time.Hour, random: 0, exact: 30 * time.Minute},
		{term: time.Hour, random: 0.5, exact: 28*time.Minute + 30*time.Second},
		{term: 2 * time.Minute, random: 0.999, least: 54 * time.Second},
		{term: time.Second, exact: minRenewal},
		{term: (1<<32 - 1) * time.Second, exact: maxRenewal},
	} {
		got := renewal(tt.term, tt.random)
		if tt.exact != 0 && got != tt.exact || got < tt.least || got > max(tt.term/2, minRenewal) {
			t.Errorf("renewal(%v, %v) = %v", tt.term, tt.random, got)
		}
	}
}

func TestBackoff(t *testing.T) {
	b := backoff{first: time.Second, cap: 5 * time.Minute}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		want *= time.Second
		if got := b.after(i+1, 0); got != want {
			t.Errorf("after %d failures %v, want %v", i+1, got, want)
		}
		if got := b.after(i+1, 0.999); got >= want || got < want*3/4 {
			t.Errorf("after %d failures, jittered, %v", i+1, got)
		}
	}
	if got := b.after(1<<40, 0); got != b.cap {
		t.Errorf("after very many failures %v", got)
	}
}

func TestDerivedPorts(t *testing.T) {
	seen := map[ExternalPort]bool{}
	for n := range 100 {
		for i := range 100 {
			p := derivedPort([32]byte{byte(i)}, n)
			if p < minPort || p != derivedPort([32]byte{byte(i)}, n) {
				t.Fatalf("port %d", p)
			}
			seen[p] = true
		}
	}
	if len(seen) < 9000 {
		t.Errorf("only %d different ports in 10000 calls", len(seen))
	}
}

func TestEpoch(t *testing.T) {
	at := func(s float64) time.Time { return simStart.Add(time.Duration(s * float64(time.Second))) }
	for _, tt := range []struct {
		name            string
		after           float64
		before, now     uint32
		unknown         bool
		loose, rebooted bool
	}{
		{name: "in step", after: 100, before: 1000, now: 1100},
		{name: "a second back", after: 0, before: 1000, now: 999},
		{name: "goes back", after: 100, before: 1000, now: 5, rebooted: true},
		{name: "too slow", after: 100, before: 1000, now: 1050, rebooted: true},
		{name: "too fast", after: 10, before: 1000, now: 1100, rebooted: true},
		{name: "a little slow", after: 160, before: 1000, now: 1149},
		{name: "young router rebooted between two readings", after: 15, before: 10, now: 12, rebooted: true},
		{name: "stands still", after: 100, before: 1000, now: 1000},
		{name: "uptime is late", after: 100, before: 1000, now: 1010, loose: true},
		{name: "uptime goes back", after: 100, before: 1000, now: 10, loose: true, rebooted: true},
		{name: "none", after: 100, before: 1000, now: 0, unknown: true},
		{name: "full", after: 10, before: 1<<32 - 5, now: 3, rebooted: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c epochClock
			if c.reset(at(0), Epoch{Seconds: tt.before, Known: true, Loose: tt.loose}) {
				t.Error("the first reading counts as a reset")
			}
			if got := c.reset(at(tt.after), Epoch{Seconds: tt.now, Known: !tt.unknown, Loose: tt.loose}); got != tt.rebooted {
				t.Errorf("reset %v, want %v", got, tt.rebooted)
			}
		})
	}
}

func TestLine(t *testing.T) {
	if got := line("a\x1b[31mb\r\nc\x00\u009b d"); strings.ContainsAny(got, "\x1b\r\n\x00\u009b") || got != "a [31mb c d" {
		t.Errorf("%q", got)
	}
	if got := line(strings.Repeat("ä", 10000)); len([]rune(got)) != maxLine {
		t.Errorf("%d runes", len([]rune(got)))
	}
}

func TestErrorWords(t *testing.T) {
	e := &Error{Method: MethodUPnP, Router: "box at 192.168.1.1", Op: "map TCP 30303", Code: 718}
	e.Cause, e.Words = upnpWords.explain(718, "")
	if got := e.Error(); got != "upnp box at 192.168.1.1: map TCP 30303: error 718: the port is in use by another host or service" {
		t.Error(got)
	}
	if cause, text := pmpWords.explain(99, "  what\x00 ever "); cause != Other || text != "what ever" {
		t.Errorf("%v %q", cause, text)
	}
	if _, text := pcpWords.explain(99, ""); text == "" {
		t.Error("no text for an unknown code")
	}
}
