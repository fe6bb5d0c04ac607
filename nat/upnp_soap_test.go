package nat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	soapHead = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>`
	soapTail = `</s:Body></s:Envelope>`
	// addressAnswer is the answer to GetExternalIPAddress.
	addressAnswer = soapHead + `<u:GetExternalIPAddressResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1"><NewExternalIPAddress>30.10.10.1</NewExternalIPAddress></u:GetExternalIPAddressResponse>` + soapTail
	faultAnswer   = soapHead + `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>718</errorCode><errorDescription>ConflictInMappingEntry</errorDescription></UPnPError></detail></s:Fault>` + soapTail
)

// reply answers every request.
type reply func(q *http.Request) *http.Response

func (r reply) RoundTrip(q *http.Request) (*http.Response, error) { return r(q), nil }

// cutBody fails at its end, as the body of an answer that is shorter than announced.
type cutBody struct{ io.Reader }

func (c cutBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
func (cutBody) Close() error { return nil }

// mapperAt returns a mapper whose router answers with f.
func mapperAt(urn string, f reply) *upnpMapper {
	s, _ := parseService(urn)
	m := newUPnP(s, mustURL("http://192.168.1.1/ctl"), f)
	m.router = Router{Addr: netip.MustParseAddr("192.168.1.1"), Local: netip.MustParseAddr("192.168.1.7")}
	return m
}

// TestAnswersOfRouters has the address or the error 718 in the forms in which real routers send them.
func TestAnswersOfRouters(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, body string
		status                  int  // 200, if 0
		cut                     bool // shorter than announced
		cause                   Cause
		words                   string
	}{
		{name: "plain", body: addressAnswer},
		{name: "ISO-8859-1", body: declare("ISO-8859-1") + addressAnswer},
		{name: "GBK", body: declare("GBK") + addressAnswer},
		{name: "us-ascii", body: declare("us-ascii") + addressAnswer},
		{name: "UTF-16", body: utf16le(declare("utf-16")+addressAnswer, true)},
		{name: "BOM", body: "\xef\xbb\xbf" + declare("utf-8") + addressAnswer},
		{name: "XML 1.1", body: "\n<?xml version='1.1'?>" + addressAnswer},
		{name: "a NUL and garbage at the end", body: addressAnswer + "\x00\r\n0\r\n<"},
		{name: "line breaks everywhere", body: strings.ReplaceAll(addressAnswer, ">", ">\n\t")},
		{name: "other prefixes", body: strings.NewReplacer("s:", "SOAP-ENV:", "u:", "m:").Replace(addressAnswer)},
		{name: "prefixes that are not declared", body: strings.Replace(addressAnswer, ` xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"`, "", 1)},
		{name: "no name space", body: "<Envelope><Body><GetExternalIPAddressResponse><NewExternalIPAddress>30.10.10.1</NewExternalIPAddress></GetExternalIPAddressResponse></Body></Envelope>"},
		{name: "SOAP 1.2", body: strings.Replace(addressAnswer, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope", 1)},
		{name: "lower case", body: strings.ToLower(addressAnswer)},
		{name: "a value in CDATA", body: strings.NewReplacer("30.10", "<![CDATA[30.10", "0.1<", "0.1]]><").Replace(addressAnswer)},
		{name: "no end of the envelope", body: strings.TrimSuffix(addressAnswer, "</s:Envelope>")},
		{name: "announced longer than it is", body: addressAnswer, cut: true},
		{name: "bytes that mean nothing in another value", body: strings.Replace(addressAnswer, "<NewExternal", "<NewRemoteHost>\xf0\xff</NewRemoteHost><NewExternal", 1)},

		{name: "fault", body: faultAnswer, status: 500, cause: PortInUse},
		{name: "fault with status 200", body: faultAnswer, cause: PortInUse},
		{name: "fault with status 400", body: faultAnswer, status: 400, cause: PortInUse},
		{name: "fault in ISO-8859-1", body: declare("ISO-8859-1") + faultAnswer, status: 500, cause: PortInUse},
		{name: "MikroTik: faultCode", body: strings.NewReplacer("faultcode", "faultCode", "faultstring", "faultString").Replace(faultAnswer), status: 500, cause: PortInUse},
		{name: "ARRIS: prefix SOAP", body: strings.NewReplacer("s:", "SOAP:").Replace(faultAnswer), status: 500, cause: PortInUse},
		{name: "TP-Link Archer C8: garbage in the description", body: strings.Replace(faultAnswer, "ConflictInMappingEntry</e", "Confl\xff\xfe\x02*\xb4", 1), status: 500, cause: PortInUse},
		{name: "blanks around the code", body: strings.Replace(faultAnswer, "718", "\n 718 ", 1), status: 500, cause: PortInUse},
		{name: "a fault that is cut off", body: strings.TrimSuffix(faultAnswer, "</UPnPError></detail></s:Fault></s:Body></s:Envelope>") + "<", status: 500, cut: true, cause: PortInUse},
		{name: "a fault without a code", body: soapHead + "<s:Fault><faultstring>no\x01 idea</faultstring></s:Fault>" + soapTail, status: 500, cause: Failed, words: "no idea"},
		{name: "status 500 without a word", body: "", status: 500, cause: Failed, words: "HTTP status 500"},
		{name: "status 500 with a page", body: "<html>oops</html>", status: 500, cause: Failed},

		{name: "status 404", body: "<html>404</html>", status: 404, cause: Garbage, words: "HTTP status 404"},
		{name: "a login page", body: "<!DOCTYPE html><html>Log in</html>", cause: Garbage},
		{name: "nothing", body: "", cause: Garbage},
		{name: "cut off in the address", body: addressAnswer[:strings.Index(addressAnswer, "10.1</")], cut: true, cause: Other, words: "unexpected EOF"},
		{name: "the same, of the length announced", body: addressAnswer[:strings.Index(addressAnswer, "10.1</")], cause: Garbage, words: "cut off"},
		{name: "no address", body: strings.Replace(addressAnswer, "30.10.10.1", "\xc4\xf6@\x02", 1), cause: Garbage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mapperAt("urn:schemas-upnp-org:service:WANIPConnection:1", func(q *http.Request) *http.Response {
				a := &http.Response{StatusCode: max(tt.status, 0), Header: http.Header{"Content-Type": {"text/xml"}}, ContentLength: int64(len(tt.body)), Body: io.NopCloser(strings.NewReader(tt.body)), Request: q}
				if tt.status == 0 {
					a.StatusCode = http.StatusOK
				}
				if tt.cut {
					a.Body = cutBody{strings.NewReader(tt.body)}
				}
				return a
			})
			r, err := m.External(t.Context())
			if tt.cause == Other && tt.words == "" {
				if err != nil || r.IP != wan {
					t.Errorf("%+v, %v", r, err)
				}
				return
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Cause != tt.cause || !strings.Contains(e.Words, tt.words) {
				t.Errorf("%v, cause %v; want cause %v, %q", err, causeOf(err), tt.cause, tt.words)
			}
		})
	}
}

// TestServiceTypeAsSpelled: a request names the service as the description does.
func TestServiceTypeAsSpelled(t *testing.T) {
	for _, urn := range []string{
		"urn:schemas-upnp-org:service:WANIPConnection:1", "urn:dslforum-org:service:WANIPConnection:1", "urn:dslforum-org:service:WANPPPConnection:1",
		"urn:schemas-upnp-org:service:wanipconnection:2", "urn:schemas-upnp-org:service:WANIPConnection:3", "urn:schemas-upnp-org:service:WANPPPConnection:2", `urn:"<x>&:service:WANIPConnection:1`,
	} {
		asked := ""
		m := mapperAt(urn, func(q *http.Request) *http.Response {
			b, err := io.ReadAll(q.Body)
			if err != nil || int64(len(b)) != q.ContentLength {
				t.Errorf("%d bytes, %v; announced are %d", len(b), err, q.ContentLength)
			}
			for _, value := range q.Header { // goupnp writes SOAPACTION, which is not Go's spelling
				if strings.Contains(value[0], "#") {
					asked = value[0] + " " + string(b)
				}
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(addressAnswer)), Request: q}
		})
		if _, err := m.External(t.Context()); err != nil {
			t.Error(err)
		}
		escaped := strings.NewReplacer(`"`, "&#34;", "<", "&lt;", ">", "&gt;", "&", "&amp;").Replace(urn)
		if !strings.HasPrefix(asked, `"`+urn+"#Get") || !strings.Contains(asked, `xmlns:u="`+escaped+`"`) {
			t.Errorf("%s: asked %s", urn, asked)
		}
	}
}

// TestEntriesOfRouters: what a router leaves out of an entry of its list is not an error.
func TestEntriesOfRouters(t *testing.T) {
	for name, tt := range map[string]struct {
		lease, enabled string
		want           time.Duration
		cause          Cause
	}{
		"plain":      {"600", "1", 10 * time.Minute, Other},
		"no lease":   {"", "1", 0, Other},
		"a word":     {"infinite", "True", 0, Other},
		"negative":   {"-1", "yes", 0, Other},
		"too large":  {"99999999999", "1", 0, Other},
		"no state":   {"600", "", 10 * time.Minute, Other},
		"disabled":   {"600", "0", 0, NoMapping},
		"odd number": {" 600\n", " 1 ", 10 * time.Minute, Other},
	} {
		m := mapperAt("urn:schemas-upnp-org:service:WANIPConnection:1", func(q *http.Request) *http.Response {
			body := soapHead + "<R><NewInternalPort> 30303 </NewInternalPort><NewInternalClient>\n192.168.1.7</NewInternalClient><NewEnabled>" + tt.enabled + "</NewEnabled><NewLeaseDuration>" + tt.lease + "</NewLeaseDuration></R>" + soapTail
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: q}
		})
		got, err := m.Verify(t.Context(), Mapping{Protocol: TCP, Internal: 30303, External: 30303})
		if causeOf(err) != tt.cause || err == nil && got.Lifetime != tt.want {
			t.Errorf("%s: %v, %v", name, got.Lifetime, err)
		}
	}
}

// canned answers every request with the same bytes.
type canned struct {
	status int
	body   string
}

func (c canned) RoundTrip(q *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: c.status, Status: http.StatusText(c.status), Body: io.NopCloser(strings.NewReader(c.body)), Header: http.Header{}, ContentLength: int64(len(c.body)), Request: q}, nil
}

// FuzzSOAP answers every call of a UPnP router with the same hostile bytes.
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
		d, err := parseDescription(good, place)
		if err != nil {
			t.Fatal(err)
		}
		m := mappers(d, canned{status, body})[0]
		m.router = Router{Addr: loopback, Local: loopback}
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
