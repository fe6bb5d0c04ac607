package nat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/huin/goupnp/dcps/internetgateway2"
)

// upnpAt returns the one service of a fake router.
func upnpAt(t *testing.T, f *fakeIGD) *upnpMapper {
	t.Helper()
	place, err := url.Parse(f.base + "/desc.xml")
	if err != nil {
		t.Fatal(err)
	}
	h := newRouterHTTP(f.addr, loopback)
	root, err := h.describeDevice(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	all := services(root, h)
	if len(all) != 1 {
		t.Fatalf("%d services, want 1", len(all))
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
		{name: "invalid arguments", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{402} }, cause: Refused, code: 402, words: "arguments"},
		{name: "action failed", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{501} }, cause: Busy, code: 501},
		{name: "conflict", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{718} }, cause: PortInUse, code: 718, words: "in use"},
		{name: "permanent only", fault: func(f *fakeIGD) { f.permanent = true }, cause: OnlyPermanent, code: 725},
		{name: "unknown code", fault: func(f *fakeIGD) { f.errors["AddPortMapping"] = []int{799} }, cause: Other, code: 799, words: "said by the box"},
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
	if _, err := m.External(t.Context()); err == nil || !strings.Contains(err.Error(), "not the router") {
		t.Errorf("a control URL at another host: %v", err)
	}
	moved := http.NewServeMux()
	moved.Handle("/", http.RedirectHandler(elsewhere.URL+"/moved", http.StatusFound))
	from := httptest.NewServer(moved)
	defer from.Close()
	place, err := url.Parse(from.URL + "/desc.xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newRouterHTTP(loopback, netip.Addr{}).describeDevice(t.Context(), place); err == nil {
		t.Error("a redirection is followed")
	}
	if len(asked) > 0 {
		t.Errorf("another host was asked: %s", <-asked)
	}
}

func TestPlaces(t *testing.T) {
	for text, good := range map[string]bool{
		"http://192.168.1.1:5000/desc.xml": true, "http://192.168.1.1/": true, "http://[::ffff:192.168.1.1]/": true,
		"http://192.168.1.2:5000/desc.xml": false, "http://router.lan/desc.xml": false, "https://192.168.1.1/": false,
		"ftp://192.168.1.1/": false, "//192.168.1.1/": false, "": false, "http://": false, "http://u:p@192.168.1.1/": false,
		"http://192.168.1.1.evil.example/": false, "%zz": false,
	} {
		if _, err := placeAt(text, netip.MustParseAddr("192.168.1.1")); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
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
	if n, ok := parseNotify(notify(), router); !ok || n != (notice{kind: noticeAlive, id: "uuid:a", boot: "5", place: "http://192.168.1.1/d"}) {
		t.Errorf("%+v %v", n, ok)
	}
	if n, ok := parseNotify(notify("ssdp:alive", "ssdp:byebye"), router); !ok || n.kind != noticeBye {
		t.Errorf("%+v %v", n, ok)
	}
	if _, ok := parseNotify(notify("192.168.1.1", "192.168.1.2"), router); ok {
		t.Error("an announcement for another host is accepted")
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

// canned answers every request with the same bytes.
type canned struct {
	status int
	body   string
}

func (c canned) RoundTrip(q *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Body: io.NopCloser(strings.NewReader(c.body)), Header: http.Header{}, ContentLength: int64(len(c.body)), Request: q}, nil
}

// FuzzSOAP answers every call of a UPnP router, and the description, with the same hostile bytes.
func FuzzSOAP(f *testing.F) {
	const envelope = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>`
	f.Add(200, envelope+`<u:R xmlns:u="x"><NewExternalIPAddress>1.2.3.4</NewExternalIPAddress><NewReservedPort>65536</NewReservedPort></u:R></s:Body></s:Envelope>`)
	f.Add(500, envelope+`<s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>`)
	f.Add(200, envelope+`<u:R><NewInternalPort>-1</NewInternalPort><NewLeaseDuration>99999999999</NewLeaseDuration><NewEnabled>maybe</NewEnabled></u:R></s:Body></s:Envelope>`)
	f.Add(200, strings.ReplaceAll(strings.ReplaceAll(fakeDescription, "%[1]d", "2"), "%[2]s", "/ctl"))
	f.Add(204, "")
	place, err := url.Parse("http://127.0.0.1/desc.xml")
	if err != nil {
		f.Fatal(err)
	}
	good := strings.ReplaceAll(strings.ReplaceAll(fakeDescription, "%[1]d", "2"), "%[2]s", "/ctl")
	f.Fuzz(func(t *testing.T, status int, body string) {
		if root, err := parseDevice(strings.NewReader(body), place); err == nil {
			services(root, newRouterHTTP(loopback, loopback))
		}
		root, err := parseDevice(strings.NewReader(good), place)
		if err != nil {
			t.Fatal(err)
		}
		m := services(root, newRouterHTTP(loopback, loopback))[0]
		m.router = Router{Addr: loopback, Local: loopback}
		m.service.(*internetgateway2.WANIPConnection2).SOAPClient.HTTPClient.Transport = canned{status, body}
		ctx := context.Background()
		for _, any := range []bool{false, true} {
			got, err := m.Map(ctx, Request{Protocol: TCP, Internal: 1, External: 2, Lifetime: time.Hour, Any: any})
			if err == nil && (got.Lifetime <= 0 || got.Lifetime > time.Hour) {
				t.Errorf("a lease of %v, want more than 0 and at most 1 h", got.Lifetime)
			}
			isTyped(t, err)
		}
		_, err = m.External(ctx)
		isTyped(t, err)
		_, err = m.Verify(ctx, Mapping{Protocol: TCP, Internal: 1, External: 2})
		isTyped(t, err)
		isTyped(t, m.Unmap(ctx, Mapping{Protocol: TCP, External: 2}))
		if n := len(m.list(ctx)); n > maxEntries {
			t.Errorf("%d entries, want at most %d", n, maxEntries)
		}
	})
}

func isTyped(t *testing.T, err error) {
	t.Helper()
	if err != nil && causeOf(err) == Other {
		if e, ok := errors.AsType[*Error](err); !ok || e.Code == 0 && e.Words == "" {
			t.Errorf("an error without a text: %#v", err)
		}
	}
	if err != nil && strings.ContainsAny(err.Error(), "\n\x1b\x00") {
		t.Errorf("control characters in %q", err)
	}
}
