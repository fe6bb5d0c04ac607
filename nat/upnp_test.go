package nat

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// upnpAt returns the one service of a fake router.
func upnpAt(t *testing.T, f *fakeIGD) *upnpMapper {
	t.Helper()
	place, err := url.Parse(f.base + "/desc.xml")
	if err != nil {
		t.Fatal(err)
	}
	h := newRouterHTTP(f.addr, loopback)
	d, err := h.describe(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	all := mappers(d, h)
	if len(all) == 0 {
		t.Fatal("no service")
	}
	all[0].router = Router{Name: "fake", Addr: f.addr, Local: loopback}
	all[0].description = "Troupe"
	return all[0]
}

func TestUPnP(t *testing.T) {
	for _, version := range []int{1, 2} {
		f := newFakeIGD(t, "127.5.2.1")
		f.set(func(f *fakeIGD) { f.version = version })
		m, ctx := upnpAt(t, f), soon(t, 10*time.Second)
		if m.Caps().Any != (version == 2) {
			t.Errorf("version %d: %+v", version, m.Caps())
		}
		r, err := m.External(ctx)
		if err != nil || r.IP != wan || r.Epoch != (Epoch{Seconds: 3600, Known: true, Loose: true}) {
			t.Errorf("reading %+v, %v", r, err)
		}
		q := Request{Protocol: TCP, Internal: 30303, External: 30304, Lifetime: time.Hour}
		got, err := m.Map(ctx, q)
		if want := (Mapping{Protocol: TCP, Internal: 30303, External: 30304, Lifetime: time.Hour}); err != nil || got != want {
			t.Errorf("mapping %+v, %v", got, err)
		}
		if e, _ := f.mapping("TCP 30304"); e != (fakeMapping{30303, "127.0.0.1", 3600}) {
			t.Errorf("the router's entry is %+v", e)
		}
		if all := m.list(ctx); len(all) != 1 || all[0] != got {
			t.Errorf("list %+v", all)
		}
		f.set(func(f *fakeIGD) { f.max = 60 })
		if got, err = m.Map(ctx, q); err != nil || got.Lifetime != time.Minute {
			t.Errorf("a shortened lease: %+v, %v", got, err)
		}
		if got, err = m.Map(ctx, Request{Protocol: UDP, Internal: 1, External: 2}); err != nil || !got.Permanent {
			t.Errorf("permanent: %+v, %v", got, err)
		}
		f.set(func(f *fakeIGD) { f.taken["TCP 30305"] = true })
		q.External, q.Any = 30305, true
		got, err = m.Map(ctx, q)
		if version == 2 && (err != nil || got.External != 41000) || version == 1 && causeOf(err) != PortInUse {
			t.Errorf("any port, version %d: %+v, %v", version, got, err)
		}
		for range 2 { // deleting a missing mapping is no error
			if err := m.Unmap(ctx, Mapping{Protocol: TCP, External: 30304}); err != nil {
				t.Error(err)
			}
		}
		if _, ok := f.mapping("TCP 30304"); ok {
			t.Error("the mapping still exists")
		}
	}
}

// TestUPnPMapsAgain: a router that refuses to overwrite a mapping renews it, if it is this host's.
func TestUPnPMapsAgain(t *testing.T) {
	f := newFakeIGD(t, "127.5.2.4")
	f.set(func(f *fakeIGD) {
		f.once = true
		f.maps["TCP 30304"] = fakeMapping{30303, "192.168.1.77", 60}
		f.maps["TCP 30305"] = fakeMapping{80, "127.0.0.1", 60}
	})
	m, q := upnpAt(t, f), Request{Protocol: TCP, Internal: 30303, External: 30303, Lifetime: time.Hour}
	for range 2 {
		if got, err := m.Map(t.Context(), q); err != nil || got.External != 30303 || got.Lifetime != time.Hour {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, q.External = range []ExternalPort{30304, 30305} {
		if _, err := m.Map(t.Context(), q); causeOf(err) != PortInUse {
			t.Errorf("the mapping of another host or port is taken over: %v", err)
		}
	}
	if e, _ := f.mapping("TCP 30304"); e.client != "192.168.1.77" {
		t.Errorf("%+v", e)
	}
	q.External, q.Any = 0, true
	if _, err := m.Map(t.Context(), q); causeOf(err) != Unsupported {
		t.Errorf("a request for all ports: %v", err)
	}
}

// TestBestService: of several places where a service may be, and of several services, the one that
// works is used.
func TestBestService(t *testing.T) {
	for name, tt := range map[string]struct {
		addresses map[string]string // by path; "fault": a refusal
		want      string
	}{
		"root of the host":        {map[string]string{"/ctl": "30.10.10.1", "/dir/ctl": "30.10.10.1"}, "/ctl"},
		"folder":                  {map[string]string{"/dir/ctl": "30.10.10.1"}, "/dir/ctl"},
		"URLBase":                 {map[string]string{"/upnp/ctl": "30.10.10.1"}, "/upnp/ctl"},
		"the other service":       {map[string]string{"/ctl": "0.0.0.0", "/ppp": "30.10.10.1"}, "/ppp"},
		"only a private address":  {map[string]string{"/ctl": "", "/ppp": "10.0.0.1"}, "/ppp"},
		"only a refusal":          {map[string]string{"/dir/ctl": "fault"}, "/dir/ctl"},
		"none":                    {map[string]string{}, "/ctl"},
		"no address is no public": {map[string]string{"/ctl": "fault", "/dir/ctl": ""}, "/dir/ctl"},
	} {
		d, err := parseDescription(strings.Replace(deviceWith("", "x", strings.Replace(ipService, "/ctl", "ctl", 1)+"</service><service>"+
			strings.NewReplacer("WANIP", "WANPPP", "/ctl", "/ppp").Replace(ipService)), "<device>", "<URLBase>http://192.168.1.1/upnp/</URLBase><device>", 1), mustURL("http://192.168.1.1/dir/desc.xml"))
		if err != nil {
			t.Fatal(err)
		}
		all := mappers(d, reply(func(q *http.Request) *http.Response {
			a := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: q}
			address, ok := tt.addresses[q.URL.Path]
			body := strings.Replace(addressAnswer, "30.10.10.1", address, 1)
			switch {
			case !ok:
				a.StatusCode = http.StatusNotFound
			case address == "fault":
				body = faultAnswer
			}
			a.Body = io.NopCloser(strings.NewReader(body))
			return a
		}))
		best := bestService(t.Context(), all)
		at := ""
		for i, u := range all {
			if u == best {
				var paths []string
				for _, s := range d.services {
					for _, c := range s.controls {
						paths = append(paths, c.Path)
					}
				}
				at = paths[i]
			}
		}
		if at != tt.want {
			t.Errorf("%s: %s, want %s", name, at, tt.want)
		}
	}
}

func TestUPnPErrors(t *testing.T) {
	q := Request{Protocol: TCP, Internal: 30303, External: 30303, Lifetime: time.Hour}
	for _, tt := range []struct {
		name  string
		fault func(f *fakeIGD)
		call  string // "map", "read", "verify"
		cause Cause
		code  int
		words string
	}{
		{name: "invalid arguments", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{402} }, cause: BadArgument, code: 402, words: "arguments"},
		{name: "action failed", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{501} }, cause: Failed, code: 501},
		{name: "conflict", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{718} }, cause: PortInUse, code: 718, words: "in use"},
		{name: "permanent only", fault: func(f *fakeIGD) { f.permanent = true }, cause: OnlyPermanent, code: 725},
		{name: "unknown code", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{799} }, cause: Failed, code: 799, words: "said by the box"},
		{name: "says OK and forgets", fault: func(f *fakeIGD) { f.forget = true }, cause: Refused, words: "has no such mapping"},
		{name: "no list", fault: func(f *fakeIGD) { f.errors["GetSpecificPortMappingEntry"] = []int{-401} }, cause: Other},
		{name: "no XML", fault: func(f *fakeIGD) {
			f.garbage["AddPortMapping"] = "<?xml version='1.0'?><s:Envelope><not closed &&& \x01"
		}, cause: Garbage},
		{name: "nothing", fault: func(f *fakeIGD) { f.garbage["AddPortMapping"] = "" }, cause: Garbage},
		{name: "endless", fault: func(f *fakeIGD) {
			f.garbage["AddPortMapping"] = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>` + strings.Repeat("x", 4*maxBody)
		}, cause: Garbage, words: "longer than"},
		{name: "no answer", fault: func(f *fakeIGD) { f.hang["AddPortMapping"] = true }, cause: NoAnswer},
		{name: "no address", fault: func(f *fakeIGD) { f.ip = "" }, call: "read", cause: Other},
		{name: "malformed address", fault: func(f *fakeIGD) { f.ip = "ten dot one" }, call: "read", cause: Garbage},
		{name: "address in an odd form", fault: func(f *fakeIGD) { f.ip = " 30.10.10.1\n" }, call: "read", cause: Other},
		{name: "not there", fault: func(*fakeIGD) {}, call: "verify", cause: NoMapping, code: 714},
		{name: "of another host", fault: func(f *fakeIGD) { f.maps["TCP 30303"] = fakeMapping{30303, "192.168.1.77", 60} }, call: "verify", cause: NoMapping, words: "192.168.1.77"},
		{name: "with a host name", fault: func(f *fakeIGD) { f.maps["TCP 30303"] = fakeMapping{30303, "my-host", 60} }, call: "verify", cause: Other},
		{name: "gone", fault: func(f *fakeIGD) { _ = f.http.Close() }, call: "read", cause: Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeIGD(t, "127.5.2.2")
			m, ctx := upnpAt(t, f), soon(t, time.Second)
			f.set(tt.fault)
			var err error
			switch tt.call {
			case "read":
				_, err = m.External(ctx)
			case "verify":
				_, err = m.Verify(ctx, Mapping{Protocol: TCP, Internal: 30303, External: 30303})
			default:
				_, err = m.Map(ctx, q)
			}
			var e *Error
			if tt.cause == Other && tt.code == 0 && tt.words == "" {
				if err != nil {
					t.Error(err)
				}
			} else if !errors.As(err, &e) || e.Cause != tt.cause || e.Code != tt.code || !strings.Contains(e.Words, tt.words) || e.Words == "" {
				t.Errorf("error %v, cause %v; want cause %v, code %d", err, causeOf(err), tt.cause, tt.code)
			}
		})
	}
}

// TestHTTPStaysAtTheRouter: requests follow neither a redirection nor a control URL to another
// host.
func TestHTTPStaysAtTheRouter(t *testing.T) {
	asked := make(chan string, 8)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer elsewhere.Close()
	f := newFakeIGD(t, "127.5.2.3")
	f.set(func(f *fakeIGD) {
		f.garbage["desc"] = strings.Replace(strings.ReplaceAll(fakeDescription, "%[1]d", "1"), "%[2]s", elsewhere.URL+"/ctl", 1)
	})
	m := upnpAt(t, f)
	if _, err := m.External(t.Context()); causeOf(err) != Unreachable {
		t.Errorf("a control URL at another host: %v", err) // the router has no such port
	}
	at := httptest.NewRequest(http.MethodGet, elsewhere.URL, nil)
	if _, err := newRouterHTTP(f.addr, loopback).RoundTrip(at); err == nil || !strings.Contains(err.Error(), "not the router") {
		t.Errorf("a request to another host: %v", err)
	}
	moved := http.NewServeMux()
	moved.Handle("/", http.RedirectHandler(elsewhere.URL+"/moved", http.StatusFound))
	from := httptest.NewServer(moved)
	defer from.Close()
	place, err := url.Parse(from.URL + "/desc.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newRouterHTTP(loopback, netip.Addr{}).describe(t.Context(), place); err == nil {
		t.Error("a redirection is followed")
	}
	if len(asked) > 0 {
		t.Errorf("another host was asked: %s", <-asked)
	}
}

func TestPlaces(t *testing.T) {
	router := netip.MustParseAddr("::ffff:192.168.1.1")
	for text, want := range map[string]string{
		"http://192.168.1.1:5000/desc.xml": "http://192.168.1.1:5000/desc.xml", "http://192.168.1.1/": "http://192.168.1.1/",
		"http://[::ffff:192.168.1.1]/": "http://192.168.1.1/", "HTTP://192.168.1.1:80/a?b=c#d": "http://192.168.1.1:80/a?b=c",
		// Another address or a name of the router. If it is a third host's, the answering host is asked all the same.
		"http://192.168.1.2:5000/desc.xml": "http://192.168.1.1:5000/desc.xml", "http://router.lan/desc.xml": "http://192.168.1.1/desc.xml",
		"http://192.168.1.1.evil.example/": "http://192.168.1.1/", "http://[fe80::1%25eth0]:80/": "http://192.168.1.1:80/",
		"https://192.168.1.1/": "", "ftp://192.168.1.1/": "", "//192.168.1.1/": "", "": "", "http://": "", "http://u:p@192.168.1.1/": "", "%zz": "",
	} {
		got, err := placeAt(text, router)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
	if u, err := placeAt("http://[::1]/d", netip.MustParseAddr("fd00::1")); err != nil || u.String() != "http://[fd00::1]/d" {
		t.Errorf("at an IPv6 address: %v, %v", u, err)
	}
}

// TestPlacesOfASearch: neither many other devices nor many that say to be routers keep a search from
// the gateway's description.
func TestPlacesOfASearch(t *testing.T) {
	gateway := netip.MustParseAddr("192.168.1.1")
	p := places{gateway: gateway, seen: map[string]bool{}}
	root, igd := ssdpMessage{kind: rootDevice}, ssdpMessage{kind: ssdpTargets[0]}
	taken := func(m ssdpMessage, host byte) bool {
		from := netip.AddrFrom4([4]byte{192, 168, 1, host})
		return p.take(m, mustURL("http://"+from.String()+"/"), from)
	}
	for kind, m := range map[string]ssdpMessage{"other": root, "router": igd} {
		n := 0
		for host := byte(10); host < 200; host++ {
			if taken(m, host) {
				n++
			}
		}
		if n != maxLocations {
			t.Errorf("%d descriptions of kind %s", n, kind)
		}
	}
	if !taken(root, 1) || taken(root, 1) || taken(igd, 1) {
		t.Error("the gateway's description is not fetched once")
	}
	p = places{gateway: gateway, seen: map[string]bool{}}
	if !taken(root, 9) || !taken(igd, 9) || taken(igd, 9) || taken(root, 9) {
		t.Error("a device that says later to be a router")
	}
}

func TestParseSSDP(t *testing.T) {
	m, err := parseSSDP([]byte("NOTIFY * HTTP/1.1 \r\nHost:239.255.255.250:1900\nnts : ssdp:alive\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:a::urn\r\nLocation: http://192.168.1.1:5000/d.xml \r\nBootID.UPnP.org: 77\r\nSERVER: a\x1b[2Jb\r\n"))
	if err != nil || !m.notify || !m.alive || !m.gateway() || m.device() != "uuid:a" || m.boot != "77" || m.location != "http://192.168.1.1:5000/d.xml" || m.server != "a [2Jb" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, b := range []string{"", "M-SEARCH * HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n", "\x00\xff"} {
		if _, err := parseSSDP([]byte(b)); err == nil {
			t.Errorf("invalid message %q is accepted", b)
		}
	}
	router := netip.MustParseAddr("192.168.1.1")
	notify := func(change ...string) []byte {
		return []byte(strings.NewReplacer(change...).Replace("NOTIFY * HTTP/1.1\r\nNTS: ssdp:alive\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\nUSN: uuid:a::x\r\nLOCATION: http://192.168.1.1/d\r\nBOOTID.UPNP.ORG: 5\r\n\r\n"))
	}
	parseNotify := func(b []byte, from netip.Addr) (notice, bool) { return parseNotify(b, from, router) }
	if n, ok := parseNotify(notify(), router); !ok || n != (notice{kind: noticeAlive, id: "uuid:a", boot: "5", place: "http://192.168.1.1/d"}) {
		t.Errorf("%+v %v", n, ok)
	}
	if n, ok := parseNotify(notify("ssdp:alive", "ssdp:byebye"), router); !ok || n.kind != noticeBye {
		t.Errorf("%+v %v", n, ok)
	}
	if n, ok := parseNotify(notify("192.168.1.1", "192.168.1.2"), router); !ok || n.place != "http://192.168.1.1/d" {
		t.Errorf("an announcement for another host: %+v %v", n, ok)
	}
	root := []string{"urn:schemas-upnp-org:device:InternetGatewayDevice:2", rootDevice}
	if _, ok := parseNotify(notify(root...), router); !ok {
		t.Error("a root device at the gateway is not accepted")
	}
	if _, ok := parseNotify(notify(root...), netip.MustParseAddr("192.168.1.9")); ok {
		t.Error("a root device elsewhere is accepted as a router")
	}
	if _, ok := parseNotify(notify(append(root, "ssdp:alive", "ssdp:byebye")...), router); ok {
		t.Error("the end of another device at the gateway is accepted as that of the router")
	}
	if _, ok := parseNotify(notify("InternetGatewayDevice", "MediaServer"), router); ok {
		t.Error("a media server is accepted as a router")
	}
}

func FuzzParseSSDP(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nLOCATION: http://127.0.0.1/d\r\n\r\n"))
	f.Add([]byte("NOTIFY * HTTP/1.1\nNTS:ssdp:byebye\nNT:x:WANIPConnection:1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseSSDP(b)
		if err != nil {
			return
		}
		if strings.ContainsAny(m.server+m.boot+m.kind+m.device(), "\r\n\x1b\x00") {
			t.Errorf("control characters are not removed: %+v", m)
		}
		if u, err := m.place(loopback); err == nil && u.Hostname() == "" {
			t.Errorf("a URL without a host: %v", u)
		}
	})
}
