package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// home returns a finder for a host on loopback behind the routers at gateway.
func home(spec Spec, gateway netip.Addr, igd *fakeIGD) *finder {
	f := newFinder(spec, netip.Addr{}, secret, "Troupe")
	f.list = func() ([]network, error) {
		return []network{
			{name: "lo", local: netip.PrefixFrom(loopback, 8), gateway: gateway},
			// The address of a tunnel, which this host does not have: nothing can be sent from it.
			{name: "broken", local: netip.MustParsePrefix("192.0.2.7/32")},
		}, nil
	}
	f.ssdp = nil
	if igd != nil {
		f.ssdp = []netip.AddrPort{igd.ssdp}
	}
	f.ssdpPort = 1 // nothing listens there
	f.time = 400 * time.Millisecond
	return f
}

// findAll runs a complete search.
func findAll(t *testing.T, f *finder) (methods []Method, found []Mapper, problems []error) {
	t.Helper()
	var mu sync.Mutex
	problems = f.find(t.Context(), func(run func()) { go run() }, func(m Mapper) {
		mu.Lock()
		defer mu.Unlock()
		methods, found = append(methods, m.Method()), append(found, m)
	})
	slices.Sort(methods)
	return methods, found, problems
}

func TestFinder(t *testing.T) {
	box, igd := newFakeUDP(t, "127.5.3.1"), newFakeIGD(t, "127.5.3.2")
	absent := netip.MustParseAddr("127.5.3.3")
	for _, tt := range []struct {
		name    string
		spec    Spec
		gateway netip.Addr
		igd     *fakeIGD
		change  func()
		want    []Method
		quick   bool
		problem bool
	}{
		{name: "all", gateway: box.addr, igd: igd, want: []Method{MethodPMP, MethodPCP, MethodUPnP}},
		{name: "version 2", gateway: absent, igd: igd, want: []Method{MethodUPnP}, change: func() { igd.set(func(f *fakeIGD) { f.version = 2 }) }},
		{name: "NAT-PMP only", gateway: box.addr, want: []Method{MethodPMP}, change: func() { box.set(func(f *fakeUDP) { f.pcp = false }) }},
		{name: "none", gateway: absent},
		{name: "pcp", spec: Spec{Method: MethodPCP}, gateway: box.addr, igd: igd, want: []Method{MethodPCP}, quick: true},
		{name: "pmp at an address", spec: Spec{Method: MethodPMP, IP: box.addr}, gateway: absent, igd: igd, want: []Method{MethodPMP}, quick: true},
		{name: "upnp", spec: Spec{Method: MethodUPnP}, gateway: box.addr, igd: igd, want: []Method{MethodUPnP}},
		{name: "location elsewhere", spec: Spec{Method: MethodUPnP}, gateway: absent, igd: igd, change: func() { igd.set(func(f *fakeIGD) { f.location = "http://127.5.3.9:1/desc.xml" }) }, problem: true},
		{name: "malformed description", spec: Spec{Method: MethodUPnP}, gateway: absent, igd: igd, change: func() { igd.set(func(f *fakeIGD) { f.garbage["desc"] = "<root" }) }, problem: true},
		{name: "labelled as any root device", spec: Spec{Method: MethodUPnP}, gateway: absent, igd: igd, want: []Method{MethodUPnP}, change: func() { igd.set(func(f *fakeIGD) { f.label = rootDevice }) }},
		{name: "without a label", spec: Spec{Method: MethodUPnP}, gateway: absent, igd: igd, want: []Method{MethodUPnP}, change: func() { igd.set(func(f *fakeIGD) { f.label = "-" }) }},
		{name: "one router, announced by its parts", spec: Spec{Method: MethodUPnP}, gateway: absent, igd: igd, want: []Method{MethodUPnP}, change: func() { igd.set(func(f *fakeIGD) { f.label = "parts" }) }},
		{name: "another root device", spec: Spec{Method: MethodUPnP}, gateway: absent, igd: igd, change: func() {
			igd.set(func(f *fakeIGD) {
				f.label = rootDevice
				f.garbage["desc"] = "<root><device><serviceType>urn:schemas-wifialliance-org:service:WFAWLANConfig:1</serviceType></device></root>"
			})
		}},
		{name: "extip", spec: Spec{Method: MethodFixed, IP: wan}, want: []Method{MethodFixed}, quick: true},
		{name: "stun", spec: Spec{Method: MethodSTUN}, want: []Method{MethodSTUN}, quick: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box.set(func(f *fakeUDP) { f.pcp = true })
			igd.set(func(f *fakeIGD) { f.version, f.location, f.label = 1, "", ""; clear(f.garbage) })
			if tt.change != nil {
				tt.change()
			}
			f := home(tt.spec, tt.gateway, tt.igd)
			if tt.quick {
				f.time = 20 * time.Second // a quick search must not wait for this long
			}
			began := time.Now()
			got, found, problems := findAll(t, f)
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %v, want %v; problems %v", got, tt.want, problems)
			}
			if took := time.Since(began); took > describeTime {
				t.Errorf("took %v", took)
			}
			if (len(problems) > 0) != tt.problem {
				t.Errorf("problems: %v", problems)
			}
			for _, m := range found {
				if r := m.Router(); m.Method() == MethodUPnP && (r.Name != "Fake [31m box (F1)" || r.Addr != igd.addr || r.Local != loopback || r.Boot != "1" || strings.TrimSuffix(r.ID, "-2") != "uuid:fake") {
					t.Errorf("wrong router %+v", r)
				}
			}
		})
	}
}

// TestFinderRemembers: a router that was found once is found again if multicast is filtered, and a
// router that is gone causes no problem report.
func TestFinderRemembers(t *testing.T) {
	igd := newFakeIGD(t, "127.5.3.6")
	f := home(Spec{Method: MethodUPnP}, netip.Addr{}, igd)
	for _, filtered := range []bool{false, true, true} {
		if filtered {
			f.ssdp = []netip.AddrPort{netip.AddrPortFrom(igd.addr, 1)}
		}
		if got, _, problems := findAll(t, f); len(got) != 1 || len(problems) > 0 {
			t.Fatalf("filtered %v: found %v, problems %v", filtered, got, problems)
		}
	}
	_ = igd.http.Close()
	if got, _, problems := findAll(t, f); len(got) != 0 || len(problems) > 0 {
		t.Errorf("gone: found %v, problems %v", got, problems)
	}
}

func TestExamine(t *testing.T) {
	igd := newFakeIGD(t, "127.5.3.4")
	igd.set(func(f *fakeIGD) {
		f.ip = "100.64.1.1"
		f.maps["UDP 30303"] = fakeMapping{30303, "127.0.0.1", 600}
		f.maps["TCP 80"] = fakeMapping{80, "127.0.0.9", 600}
	})
	f := examine(t.Context(), upnpAt(t, igd))
	if f.Kind != "WANIPConnection:1" || f.Warning == "" || f.Error != "" || len(f.Mappings) != 1 || f.Mappings[0].Protocol != "UDP" || time.Until(f.Mappings[0].Ends) < 590*time.Second {
		t.Errorf("%+v", f)
	}
	box := newFakeUDP(t, "127.5.3.5")
	box.set(func(f *fakeUDP) { f.mutePCP = true })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if f := examine(ctx, newPCP(netip.AddrPortFrom(box.addr, portPMP), loopback, secret)); f.Error == "" {
		t.Errorf("%+v", f)
	}
}

func TestSTUN(t *testing.T) {
	answer := func(t *testing.T, reply func(q *stun.Message) []byte) string {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 1500)
			for {
				n, from, err := conn.ReadFrom(buf)
				if err != nil {
					return
				}
				q := &stun.Message{Raw: buf[:n]}
				if q.Decode() == nil {
					_, _ = conn.WriteTo(reply(q), from)
				}
			}
		}()
		t.Cleanup(func() { _ = conn.Close(); <-done })
		return conn.LocalAddr().String()
	}
	build := func(q *stun.Message, s ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.NewTransactionIDSetter(q.TransactionID), stun.BindingSuccess}, s...)...).Raw
	}
	good := answer(t, func(q *stun.Message) []byte {
		return build(q, &stun.XORMappedAddress{IP: net.IP{30, 1, 2, 3}, Port: 7})
	})
	old := answer(t, func(q *stun.Message) []byte { return build(q, &stun.MappedAddress{IP: net.IP{30, 1, 2, 4}, Port: 7}) })
	foreign := answer(t, func(q *stun.Message) []byte {
		q.TransactionID[0]++
		return build(q, &stun.XORMappedAddress{IP: net.IP{6, 6, 6, 6}, Port: 7})
	})
	garbage := answer(t, func(*stun.Message) []byte { return []byte("hello") })
	for _, tt := range []struct {
		name    string
		servers []string
		ip      string
		cause   Cause
	}{
		{name: "today's", servers: []string{good}, ip: "30.1.2.3"},
		{name: "of RFC 3489", servers: []string{old}, ip: "30.1.2.4"},
		{name: "another transaction", servers: []string{foreign}, cause: Garbage},
		{name: "garbage", servers: []string{garbage}, cause: Garbage},
		{name: "second server", servers: []string{garbage, good}, ip: "30.1.2.3"},
		{name: "closed", servers: []string{"127.0.0.1:1"}, cause: Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := (&stunMapper{servers: tt.servers}).External(soon(t, time.Second))
			if tt.ip != "" && (err != nil || r.IP.String() != tt.ip) || tt.ip == "" && (err == nil || causeOf(err) != tt.cause) {
				t.Errorf("%v, %v", r.IP, err)
			}
		})
	}
}

// If all servers fail, the error names each of them, the first one first.
func TestSTUNServersThatFail(t *testing.T) {
	garbage, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer garbage.Close()
	go func() {
		buf := make([]byte, maxDatagram)
		for {
			_, from, err := garbage.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = garbage.WriteTo([]byte("hello"), from) // the test notices if it fails
		}
	}()
	_, err = (&stunMapper{servers: []string{"127.0.0.1:1", garbage.LocalAddr().String()}}).External(soon(t, time.Second))
	e, ok := asError(err)
	if !ok || e.Cause != Unreachable || e.Router != "127.0.0.1:1" {
		t.Fatalf("%v, want the cause of the first server", err)
	}
	for _, want := range []string{"127.0.0.1:1: external address: connection refused; ", garbage.LocalAddr().String() + ": malformed answer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// A malformed answer is told, even if the port is closed afterwards.
func TestExchangeTellsFirst(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer server.Close()
		buf := make([]byte, maxDatagram)
		if _, from, err := server.ReadFrom(buf); err == nil {
			_, _ = server.WriteTo([]byte("hello"), from) // the test notices if it fails
		}
	}()
	if _, err := askSTUN(soon(t, 5*time.Second), server.LocalAddr().String()); !errors.As(err, new(*garbageError)) {
		t.Errorf("%v, want the malformed answer", err)
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Spec{
		"any": {}, "auto": {}, "none": {Off: true}, "": {Off: true}, "off": {Off: true}, "ANY": {},
		"upnp": {Method: MethodUPnP}, "pmp": {Method: MethodPMP}, "pcp": {Method: MethodPCP}, "stun": {Method: MethodSTUN},
		"pmp:192.168.1.1": {Method: MethodPMP, IP: netip.MustParseAddr("192.168.1.1")}, "pcp:10.0.0.1": {Method: MethodPCP, IP: netip.MustParseAddr("10.0.0.1")},
		"extip:30.1.2.3": {Method: MethodFixed, IP: netip.MustParseAddr("30.1.2.3")}, "extip:2a00::1": {Method: MethodFixed, IP: netip.MustParseAddr("2a00::1")},
		"extip:::ffff:30.1.2.3": {Method: MethodFixed, IP: netip.MustParseAddr("30.1.2.3")}, "extip:host": {Method: MethodFixed, Host: "host"}, "extip:home.example.org.": {Method: MethodFixed, Host: "home.example.org."},
		"extip:my_box-1.xn--bcher-kva.example": {Method: MethodFixed, Host: "my_box-1.xn--bcher-kva.example"}, "extip:3com.example": {Method: MethodFixed, Host: "3com.example"},
		"stun:30.1.1.10:3478": {Method: MethodSTUN, Server: "30.1.1.10:3478"}, "stun:example.org": {Method: MethodSTUN, Server: "example.org:3478"},
		"stun:[2a00::1]:99": {Method: MethodSTUN, Server: "[2a00::1]:99"},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%q becomes %q: %+v, %v", text, got.String(), again, err)
		}
	}
	for _, text := range []string{"extip", "extip:", "extip:0.0.0.0", "extip:256.1.1.1", "extip:1.2.3", "extip:0", "extip:host:30303", "extip:http://host", "extip:a b", "extip:-a", "extip:a-.b", "extip:a..b", "extip:.", "extip:bücher.example",
		"extip:" + strings.Repeat("a", 64) + ".b", "extip:" + strings.Repeat("a.", 127) + "ab", "extip:ff02::1", "extip:fe80::1%eth0", "pmp:host", "pmp:", "pmp:x", "any:1", "upnp:1.2.3.4", "none:x", "stun:", "stun::1", "magic", "extip:224.0.0.1", "pmp:fe80::1%eth0"} {
		// The caller names the flag, or the field, that has the value.
		if got, err := Parse(text); err == nil || strings.Contains(err.Error(), "--nat") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
