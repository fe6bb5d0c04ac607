package nat

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	secret   = [32]byte{9}
)

func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestUDPMappers runs the complete life of a mapping by PCP and by NAT-PMP.
func TestUDPMappers(t *testing.T) {
	f := newFakeUDP(t, "127.5.1.1")
	for _, m := range []Mapper{newPCP(netip.AddrPortFrom(f.addr, portPMP), loopback, secret), newPMP(f.addr, loopback)} {
		t.Run(string(m.Method()), func(t *testing.T) {
			ctx := soon(t, 20*time.Second)
			r, err := m.External(ctx)
			if err != nil || r.Epoch.Seconds < 3599 || !r.Epoch.Known || r.IP.IsValid() != m.Caps().Tells || r.IP.IsValid() && r.IP != wan {
				t.Fatalf("reading %+v, %v", r, err)
			}
			q := Request{Protocol: UDP, Internal: 30303, External: 30303, Lifetime: time.Hour}
			got, err := m.Map(ctx, q)
			if err != nil || got.External != 30303 || got.Internal != 30303 || got.Protocol != UDP || got.Lifetime != time.Hour || !got.Epoch.Known || got.IP.IsValid() == m.Caps().Tells {
				t.Fatalf("mapping %+v, %v", got, err)
			}
			if e, ok := f.mapped(UDP, 30303); !ok || e != 30303 {
				t.Error("the mapping is missing in the router")
			}
			f.set(func(f *fakeUDP) { f.max, f.wrong = 120, 40001 })
			q.Protocol = TCP
			got, err = m.Map(ctx, q)
			if err != nil || got.External != 40001 || got.Lifetime != 2*time.Minute || got.Protocol != TCP {
				t.Errorf("mapping %+v, %v", got, err)
			}
			if seen, err := m.Verify(ctx, got); m.Caps().List && (err != nil || seen.External != 40001) || !m.Caps().List && causeOf(err) != Unsupported {
				t.Errorf("verified %+v, %v", seen, err)
			}
			f.set(func(f *fakeUDP) { f.max, f.wrong = 0, 0 })
			for _, p := range []Protocol{TCP, UDP} {
				if err := m.Unmap(ctx, Mapping{Protocol: p, Internal: 30303, External: 30303}); err != nil {
					t.Error(err)
				}
				if _, ok := f.mapped(p, 30303); ok {
					t.Errorf("%v is still mapped", p)
				}
			}
		})
	}
}

func TestUDPMapperErrors(t *testing.T) {
	f := newFakeUDP(t, "127.5.1.2")
	closed := netip.MustParseAddr("127.5.1.3")
	pcp, pmp := newPCP(netip.AddrPortFrom(f.addr, portPMP), loopback, secret), newPMP(f.addr, loopback)
	q := Request{Protocol: TCP, Internal: 30303, External: 30303, Lifetime: time.Hour}
	for _, tt := range []struct {
		name  string
		m     Mapper
		fault func(f *fakeUDP)
		cause Cause
		code  int
		time  time.Duration
	}{
		{name: "refused", m: pcp, fault: func(f *fakeUDP) { f.code = 2 }, cause: Refused, code: 2},
		{name: "refused", m: pmp, fault: func(f *fakeUDP) { f.code = 2 }, cause: Refused, code: 2},
		{name: "no connection", m: pcp, fault: func(f *fakeUDP) { f.code = 7 }, cause: Busy, code: 7},
		{name: "no connection", m: pmp, fault: func(f *fakeUDP) { f.code = 3 }, cause: Busy, code: 3},
		{name: "NAT-PMP only", m: pcp, fault: func(f *fakeUDP) { f.pcp = false }, cause: Unsupported},
		{name: "silent", m: pcp, fault: func(f *fakeUDP) { f.mutePCP = true }, cause: NoAnswer, time: 300 * time.Millisecond},
		{name: "silent", m: pmp, fault: func(f *fakeUDP) { f.mutePMP = true }, cause: NoAnswer, time: 300 * time.Millisecond},
		{name: "garbage", m: pcp, fault: func(f *fakeUDP) { f.garbage = true }, cause: Unsupported},
		{name: "garbage", m: pmp, fault: func(f *fakeUDP) { f.garbage = true }, cause: Garbage},
		{name: "closed", m: newPCP(netip.AddrPortFrom(closed, portPMP), loopback, secret), fault: func(*fakeUDP) {}, cause: Unreachable},
		{name: "closed", m: newPMP(closed, loopback), fault: func(*fakeUDP) {}, cause: Unreachable},
		{name: "two lost datagrams", m: pcp, fault: func(f *fakeUDP) { f.drop = 2 }},
		{name: "two lost datagrams", m: pmp, fault: func(f *fakeUDP) { f.drop = 2 }},
	} {
		t.Run(tt.name+" "+string(tt.m.Method()), func(t *testing.T) {
			f.set(func(f *fakeUDP) {
				f.pcp, f.mutePCP, f.mutePMP, f.garbage, f.code, f.drop = true, false, false, false, 0, 0
				tt.fault(f)
			})
			if tt.time == 0 {
				tt.time = 20 * time.Second
			}
			_, err := tt.m.Map(soon(t, tt.time), q)
			var e *Error
			if tt.cause == Other {
				if err != nil {
					t.Error(err)
				}
			} else if !errors.As(err, &e) || e.Cause != tt.cause || e.Code != tt.code || e.Words == "" {
				t.Errorf("error %v, cause %v; want cause %v", err, causeOf(err), tt.cause)
			}
		})
	}
}

// TestPCPTakesOverAfterAKill: a node that lost its memory has the same nonces as before; another
// node has different ones.
func TestPCPTakesOverAfterAKill(t *testing.T) {
	f := newFakeUDP(t, "127.5.1.4")
	ctx := soon(t, 20*time.Second)
	q := Request{Protocol: TCP, Internal: 30303, External: 30303, Lifetime: time.Hour}
	at := netip.AddrPortFrom(f.addr, portPMP)
	if _, err := newPCP(at, loopback, secret).Map(ctx, q); err != nil {
		t.Fatal(err)
	}
	if _, err := newPCP(at, loopback, secret).Map(ctx, q); err != nil {
		t.Errorf("the same node: %v", err)
	}
	if _, err := newPCP(at, loopback, [32]byte{1}).Map(ctx, q); causeOf(err) != Refused {
		t.Errorf("another node: %v", err)
	}
}

func TestPCPBytes(t *testing.T) {
	// Written from RFC 6887 §7.1 and §11.1.
	got := pcpRequest{
		client: netip.MustParseAddr("192.168.10.11"), lifetime: 3600, nonce: pcpNonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		protocol: TCP, internal: 30303, external: 30304,
	}.append(nil)
	want := []byte{
		2, 1, 0, 0, 0, 0, 0x0e, 0x10,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 10, 11,
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
		6, 0, 0, 0, 0x76, 0x5f, 0x76, 0x60,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0,
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestAnnouncements(t *testing.T) {
	pcp := append([]byte{2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 12)...)
	for name, tt := range map[string]struct {
		b    []byte
		ok   bool
		secs uint32
		ip   netip.Addr
	}{
		"NAT-PMP":          {b: []byte{0, 128, 0, 0, 0, 0, 0, 9, 30, 10, 10, 2}, ok: true, secs: 9, ip: netip.MustParseAddr("30.10.10.2")},
		"NAT-PMP, no link": {b: []byte{0, 128, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0}, ok: true, secs: 9},
		"PCP":              {b: pcp, ok: true, secs: 7},
		"PCP request":      {b: append([]byte{2, 0}, make([]byte, 22)...)},
		"NAT-PMP mapping":  {b: []byte{0, 129, 0, 0, 0, 0, 0, 9, 30, 10, 10, 2}},
		"nothing":          {},
		"short":            {b: pcp[:20]},
	} {
		n, ok := parseAnnouncement(tt.b, loopback)
		if ok != tt.ok || n.epoch.Seconds != tt.secs || n.ip != tt.ip {
			t.Errorf("%s: %+v, %v", name, n, ok)
		}
	}
}

func FuzzParsePCP(f *testing.F) {
	f.Add([]byte{2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(append([]byte{2, 0x81, 0, 0, 0, 0, 0x0e, 0x10}, make([]byte, 52)...))
	f.Add([]byte{2, 0x81, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0x81, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{})
	q := pcpRequest{protocol: TCP, internal: 1}
	f.Fuzz(func(t *testing.T, b []byte) {
		parseAnnouncement(b, loopback)
		a, err := parsePCP(b)
		if err != nil {
			return
		}
		if len(b) < pcpHeader || b[0] != pcpVersion || b[1]&pcpResponse == 0 {
			t.Errorf("invalid packet %x is accepted", b)
		}
		if answers(a, q) && a.code == 0 && a.internal != q.internal {
			t.Errorf("an answer for another port is accepted: %+v", a)
		}
	})
}
