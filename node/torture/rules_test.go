package torture

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlain(t *testing.T) {
	for cause, want := range map[string]string{
		"wire: waiting for auth: wire: reading a handshake packet: read tcp4 127.0.0.1:41247->127.0.0.1:45198: i/o timeout after 57 of 400 bytes": "wire: waiting for auth: wire: reading a handshake packet: i/o timeout after N bytes",
		"wire: waiting for the remote's hello, 12 of 32 bytes read: read tcp [::1]:1->[::1]:2: i/o timeout":                                       "wire: waiting for the remote's hello, N bytes read: i/o timeout",
		"wire: payload exceeds 16777215 bytes: the snappy block claims 16777216 bytes":                                                            "wire: payload exceeds N bytes: the snappy block claims N bytes",
		"message 0x00 of chat/1 from 9f3c61aa01234567@[2001:db8::1]:3 is not valid":                                                               "message 0x00 of chat/1 from ID is not valid",
		"local: ping timeout: frame not complete 30 s after its first byte: 1024 of 16777264 bytes":                                               "local: ping timeout: frame not complete 30 s after its first byte: N bytes",
		"remote: too many peers": "remote: too many peers",
	} {
		if got := plain(cause); got != want {
			t.Errorf("%q became\n%q, want\n%q", cause, got, want)
		}
	}
}

func TestEndsAreCountedAndNamed(t *testing.T) {
	got := tally{"a wrong MAC": 1, "too many peers": 3, "a surprise": 2}.ends([]string{"MAC"})
	want := []Ends{{"too many peers", 3, true}, {"a surprise", 2, false}, {"a wrong MAC", 1, true}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMeter(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	m, quiet := &meter{last: at(0)}, &meter{last: at(0)}
	for _, ms := range []int{100, 200, 700, 800} {
		m.answered(at(ms))
	}
	if p := paceOf([]*meter{m}, at(1000), time.Second); p != (Pace{4, 500 * time.Millisecond}) {
		t.Errorf("first window: %+v", p)
	}
	// A link without an answer has a gap as long as the window, whatever the others do.
	m.answered(at(1100))
	if p := paceOf([]*meter{m, quiet}, at(1500), 500*time.Millisecond); p != (Pace{2, 1500 * time.Millisecond}) {
		t.Errorf("second window: %+v", p)
	}
	if p := paceOf([]*meter{m, quiet}, at(1600), 100*time.Millisecond); p != (Pace{0, 100 * time.Millisecond}) {
		t.Errorf("a gap is counted again: %+v", p)
	}
}

func TestBounds(t *testing.T) {
	const mib = 1 << 20
	b := Bounds{Rate: 0.5, Memory: 100 * mib, Left: 10 * mib}
	for name, tt := range map[string]struct {
		change func(*Result)
		want   string // a word of the only broken bound; empty: all are kept
	}{
		"all kept":         {func(*Result) {}, ""},
		"too slow":         {func(r *Result) { r.During.PerSecond = 49 }, "49% of their rate"},
		"too much memory":  {func(r *Result) { r.Memory.Peak = 151 * mib }, "grew by 101 MiB"},
		"memory not back":  {func(r *Result) { r.Memory.After = 61 * mib }, "11 MiB of memory did not come back"},
		"memory not known": {func(r *Result) { r.Memory = Memory{Peak: 1000 * mib} }, ""},
		"honest link lost": {func(r *Result) { r.HonestLost = 1 }, "1 honest links ended"},
		"unnamed cause":    {func(r *Result) { r.Ends = []Ends{{"a", 1, true}, {"b", 7, false}} }, "7 connections ended"},
		"not run":          {func(r *Result) { r.NotRun, r.During.PerSecond = "no discovery", 0 }, ""},
	} {
		r := &Result{Baseline: Pace{PerSecond: 100}, During: Pace{PerSecond: 51}, Memory: Memory{Known: true, Before: 50 * mib, Peak: 150 * mib, After: 60 * mib}}
		tt.change(r)
		got := b.broken(r)
		if tt.want == "" && len(got) != 0 || tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)) {
			t.Errorf("%s: broken %q, want %q", name, got, tt.want)
		}
		if off := (Bounds{}).broken(&Result{Memory: Memory{Known: true, Peak: 1 << 40}}); len(off) != 0 {
			t.Errorf("without bounds: broken %q", off)
		}
	}
}

func TestRefuseForeign(t *testing.T) {
	local := []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("fe80::1")}
	for _, tt := range []struct {
		addr string
		same bool // the node runs in the same network namespace
		ok   bool
	}{
		{"127.0.0.1", true, true}, {"::1", true, true}, {"::ffff:127.0.0.1", true, true}, {"127.0.0.1", false, false}, {"::1", false, false},
		{"198.51.100.7", true, true}, {"198.51.100.7", false, true}, {"fe80::1%eth0", true, true},
		{"198.51.100.8", true, false}, {"198.51.100.8", false, false}, {"8.8.8.8", true, false}, {"0.0.0.0", true, false}, {"::", true, false}, {"224.0.0.1", true, false},
	} {
		err := refuseForeign(netip.MustParseAddr(tt.addr), local, tt.same)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrNotOwned) {
			t.Errorf("%s, same network %v: %v", tt.addr, tt.same, err)
		}
	}
}

func TestSelect(t *testing.T) {
	all, err := Select(nil)
	if err != nil || len(all) != len(All()) {
		t.Errorf("no names: %d attacks, %v", len(all), err)
	}
	names := map[string]bool{}
	for _, a := range all {
		about := a.About()
		if names[about.Name] || about.Does == "" || about.Unit == "" || about.Rate <= 0 || (about.Ends > 0) != (len(about.Words) > 0) {
			t.Errorf("%+v", about)
		}
		names[about.Name] = true
	}
	some, err := Select([]string{"v5", "pings"})
	if err != nil || len(some) != 2 || some[0].About().Name != "pings" || some[1].About().Name != "v5" {
		t.Errorf("got %v, %v", some, err)
	}
	if _, err := Select([]string{"nukes"}); err == nil || !strings.Contains(err.Error(), `unknown attack "nukes", known attacks: half-open,`) {
		t.Errorf("got %v", err)
	}
}
