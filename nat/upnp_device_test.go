package nat

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// deviceWith returns a description with the given name and the given lines of its WAN service.
func deviceWith(head, name, service string) string {
	return head + `<root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><friendlyName>` + name +
		`</friendlyName><manufacturer>M</manufacturer><modelName>R1</modelName><deviceList><device><deviceList><device><serviceList><service>` + service +
		`</service></serviceList></device></deviceList></device></deviceList></device></root>`
}

const (
	xmlHead   = `<?xml version="1.0"?>` + "\n"
	ipService = `<serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/ctl</controlURL>`
)

func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func utf16le(s string, bom bool) string {
	var b []byte
	if bom {
		b = []byte("\xff\xfe")
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func utf16be(s string) string {
	le := []byte(utf16le(s, false))
	for i := 0; i+1 < len(le); i += 2 {
		le[i], le[i+1] = le[i+1], le[i]
	}
	return string(le)
}

// declare returns an XML declaration with an encoding.
func declare(encoding string) string {
	return `<?xml version="1.0" encoding="` + encoding + `"?>`
}

// TestDescriptionsOfRouters has what real routers send, by the reports of their users to miniupnp,
// tailscale, syncthing, Home Assistant and other programs. Each has one service, WANIPConnection:1 at
// /ctl, unless it says otherwise.
func TestDescriptionsOfRouters(t *testing.T) {
	for _, tt := range []struct {
		name, document, contentType string
		friendly                    string // Router, if empty
		kind, urn                   string
		control                     string
	}{
		{name: "plain", document: deviceWith(xmlHead, "Router", ipService)},
		{name: "no declaration", document: deviceWith("", "Router", ipService)},
		{name: "XML 1.1 after a blank line", document: deviceWith("\r\n"+`<?xml version="1.1"?>`, "Router", ipService)},
		{name: "ISO-8859-1, all ASCII", document: deviceWith(declare("ISO-8859-1"), "Router", ipService)},
		{name: "ISO-8859-1", document: latin1(deviceWith(declare("ISO-8859-1"), "Routeur de la maître", ipService)), friendly: "Routeur de la maître"},
		{name: "iso-8859-1 in single quotes", document: latin1(deviceWith(`<?xml version='1.0' encoding='iso-8859-1' ?>`, "Été", ipService)), friendly: "Été"},
		{name: "windows-1252", document: latin1(deviceWith(declare("windows-1252"), "Box \u0096 été", ipService)), friendly: "Box – été"},
		{name: "us-ascii", document: deviceWith(declare("us-ascii"), "Router", ipService)},
		{name: "GBK", document: deviceWith(declare("GBK"), "\xc2\xb7\xd3\xc9\xc6\xf7", ipService), friendly: "路由器"},
		{name: "gb2312", document: deviceWith(declare("gb2312"), "\xc2\xb7\xd3\xc9\xc6\xf7", ipService), friendly: "路由器"},
		{name: "Big5", document: deviceWith(declare("Big5"), "\xb8\xf4\xa5\xd1\xbe\xb9", ipService), friendly: "路由器"},
		{name: "ISO-2022-JP", document: deviceWith(declare("ISO-2022-JP"), "\x1b$B%k!<%?!<\x1b(B", ipService), friendly: "ルーター"},
		{name: "declares GBK, is UTF-8", document: deviceWith(declare("GBK"), "路由器", ipService), friendly: "路由器"},
		{name: "declares nothing, header says GBK", document: deviceWith(xmlHead, "\xc2\xb7\xd3\xc9\xc6\xf7", ipService), contentType: "text/xml; charset=gbk", friendly: "路由器"},
		{name: "declares GBK, header says utf-8", document: deviceWith(declare("GBK"), "\xc2\xb7\xd3\xc9\xc6\xf7", ipService), contentType: `text/xml; charset="utf-8"`, friendly: "路由器"},
		{name: "declares UTF-8, is Latin-1", document: latin1(deviceWith(declare("utf-8"), "Maître", ipService)), friendly: "Maître"},
		{name: "declares an encoding that does not exist", document: latin1(deviceWith(declare("router-8"), "Maître", ipService)), friendly: "Maître"},
		{name: "declares utf-16, is UTF-8", document: deviceWith(declare("utf-16"), "Maître", ipService), friendly: "Maître"},
		{name: "UTF-8 with a BOM", document: "\xef\xbb\xbf" + deviceWith(declare("UTF-8"), "Maître", ipService), friendly: "Maître"},
		{name: "UTF-8 with a BOM, declares ISO-8859-1", document: "\xef\xbb\xbf" + deviceWith(declare("ISO-8859-1"), "Maître", ipService), friendly: "Maître"},
		{name: "UTF-16 little-endian with a BOM", document: utf16le(deviceWith(declare("UTF-16"), "路由器", ipService), true), friendly: "路由器"},
		{name: "UTF-16 little-endian without", document: utf16le(deviceWith(declare("UTF-16"), "路由器", ipService), false), friendly: "路由器"},
		{name: "UTF-16 big-endian", document: utf16be("\ufeff" + deviceWith(declare("UTF-16"), "路由器", ipService)), friendly: "路由器"},
		{name: "ARRIS TG2492LG: bytes that mean nothing", document: strings.Replace(deviceWith(xmlHead, "ARRIS TG2492LG-85 Router", ipService), "<modelName>", "<modelNumber>\xf0_\xf0</modelNumber><modelName>", 1), friendly: "ARRIS TG2492LG-85 Router"},
		{name: "a NUL at the end", document: deviceWith(xmlHead, "Router", ipService) + "\x00"},
		{name: "garbage at the end", document: deviceWith(xmlHead, "Router", ipService) + "\r\n0\r\n\r\n<html>&<"},
		{name: "an ampersand", document: deviceWith(xmlHead, "Smith & Sons", ipService), friendly: "Smith & Sons"},
		{name: "entities", document: deviceWith(xmlHead, "a&amp;b &eacute; &nonsense; &#233;&#x4e00;", ipService), friendly: "a&b é &nonsense; é一"},
		{name: "CDATA", document: deviceWith(xmlHead, "<![CDATA[a & <b>]]>", ipService), friendly: "a & <b>"},
		{name: "a tag in the name", document: deviceWith(xmlHead, "getfirm <info>", ipService), friendly: "getfirm"},
		{name: "a sign in the name", document: deviceWith(xmlHead, "I <3 LAN, 1 < 2", ipService), friendly: "I <3 LAN, 1 < 2"},
		{name: "TP-Link Archer C9: a tag that does not match", document: deviceWith(xmlHead, "Router", "<serviceId>x</ServiceID></serviceid>"+ipService)},
		{name: "a tag that is not closed", document: deviceWith(xmlHead, "Router", "<serviceId>x"+ipService)},
		{name: "comments", document: deviceWith(xmlHead+"<!DOCTYPE root><!-- a -- b <device> -->", "Ro<!-- x -->uter", ipService)},
		{name: "line breaks around values", document: deviceWith(xmlHead, "\n\tRouter\n", "<serviceType>\n urn:schemas-upnp-org:service:WANIPConnection:1 \n</serviceType>\n<controlURL>\r\n  /ctl\r\n</controlURL>")},
		{name: "prefixes", document: strings.NewReplacer("</", "</d:", "<", "<d:").Replace(deviceWith("", "Router", ipService))},
		{name: "another name space", document: strings.Replace(deviceWith("", "Router", ipService), "urn:schemas-upnp-org:device-1-0", "urn:schemas-upnp-org:device-1-1", 1)},
		{name: "no name space", document: strings.Replace(deviceWith("", "Router", ipService), ` xmlns="urn:schemas-upnp-org:device-1-0"`, "", 1)},
		{name: "lower case", document: strings.ToLower(deviceWith("", "Router", ipService)), friendly: "router", urn: "urn:schemas-upnp-org:service:wanipconnection:1"},
		{name: "cut off after the service", document: strings.TrimSuffix(deviceWith("", "Router", ipService), "</serviceList></device></deviceList></device></deviceList></device></root>")},
		{name: "no root element", document: strings.TrimPrefix(deviceWith("", "Router", ipService), `<root xmlns="urn:schemas-upnp-org:device-1-0">`)},
		{name: "elements that have a meaning in HTML", document: deviceWith("", "Router", "<title>x</title><style>y</style><plaintext>z</plaintext>"+ipService)},
		{name: "a control URL with a query", document: deviceWith("", "Router", strings.Replace(ipService, "/ctl", "/UD/?10&copy=1&amp;lt=2", 1)), control: "http://192.168.1.1:5000/UD/?10&copy=1&lt=2"},
		{name: "version 2", document: deviceWith("", "Router", strings.Replace(ipService, "WANIPConnection:1", "WANIPConnection:2", 1)), kind: "WANIPConnection:2", urn: "urn:schemas-upnp-org:service:WANIPConnection:2"},
		{name: "PPP", document: deviceWith("", "Router", strings.Replace(ipService, "WANIP", "WANPPP", 1)), kind: "WANPPPConnection:1", urn: "urn:schemas-upnp-org:service:WANPPPConnection:1"},
		{name: "dslforum", document: deviceWith("", "Router", strings.Replace(ipService, "schemas-upnp-org", "dslforum-org", 1)), urn: "urn:dslforum-org:service:WANIPConnection:1"},
		{name: "IP and PPP", document: deviceWith("", "Router", strings.Replace(ipService, "WANIP", "WANPPP", 1)+"</service><service>"+ipService)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := decodeText([]byte(tt.document), tt.contentType)
			if !utf8.ValidString(text) {
				t.Errorf("not UTF-8: %q", text)
			}
			d, err := parseDescription(text, mustURL("http://192.168.1.1:5000/dir/desc.xml"))
			if err != nil || len(d.services) == 0 {
				t.Fatalf("%+v, %v", d, err)
			}
			want := func(what, got, want, standard string) {
				t.Helper()
				if want == "" {
					want = standard
				}
				if got != want {
					t.Errorf("%s is %q, want %q", what, got, want)
				}
			}
			m := newUPnP(d.services[0], d.services[0].controls[0], nil)
			want("name", d.name, tt.friendly, "Router")
			want("model", strings.ToUpper(d.model), "", "R1")
			want("service", m.kind, tt.kind, "WANIPConnection:1")
			want("service type", d.services[0].urn, tt.urn, "urn:schemas-upnp-org:service:WANIPConnection:1")
			want("control URL", d.services[0].controls[0].String(), tt.control, "http://192.168.1.1:5000/ctl")
		})
	}
}

func TestWhatIsNoRouter(t *testing.T) {
	for name, document := range map[string]string{
		"nothing":           "",
		"cut off in a URL":  `<root><device><serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/ct`,
		"another service":   deviceWith("", "TV", strings.Replace(ipService, "WANIPConnection", "ContentDirectory", 1)),
		"WFADevice":         deviceWith("", "WPS", "<serviceType>urn:schemas-wifialliance-org:service:WFAWLANConfig:1</serviceType><controlURL>/c</controlURL>"),
		"firewall control":  deviceWith("", "x", strings.Replace(ipService, "WANIPConnection", "WANIPv6FirewallControl", 1)),
		"version 0":         deviceWith("", "x", strings.Replace(ipService, ":1", ":0", 1)),
		"no control URL":    deviceWith("", "x", strings.Replace(ipService, "/ctl", "", 1)),
		"HTTPS control URL": deviceWith("", "x", strings.Replace(ipService, "/ctl", "https://192.168.1.1/ctl", 1)),
		"a login page":      "<!DOCTYPE html><html><body><form action=/login></form></body></html>",
	} {
		if d, err := parseDescription(document, mustURL("http://192.168.1.1/d")); err == nil && len(d.services) > 0 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestControlURLs(t *testing.T) {
	for _, tt := range []struct{ base, control, want string }{
		{"", "/ctl", "http://192.168.1.1:5000/ctl"},
		{"", "http://192.168.1.1:80/upnp/control?WANIP", "http://192.168.1.1:80/upnp/control?WANIP http://192.168.1.1:5000/upnp/control?WANIP"},
		{"", "HTTP://192.168.1.1:5000/ctl", "http://192.168.1.1:5000/ctl"},
		// Whatever host the URL names, the router is asked.
		{"", "http://10.0.0.1:2828/ctl", "http://192.168.1.1:2828/ctl http://192.168.1.1:5000/ctl"},
		{"", "http://router.lan/ctl", "http://192.168.1.1/ctl http://192.168.1.1:5000/ctl"},
		{"", "//elsewhere/ctl", "http://192.168.1.1/ctl http://192.168.1.1:5000/ctl"},
		{"", "http://u:p@192.168.1.1:5000/ctl#x", "http://192.168.1.1:5000/ctl"},
		{"http://192.168.1.1", "/ctl", "http://192.168.1.1:5000/ctl http://192.168.1.1/ctl"},
		{"http://192.168.1.1:5000", "/ctl", "http://192.168.1.1:5000/ctl"},
		{"http://10.0.0.1:2828/", "/ctl", "http://192.168.1.1:5000/ctl http://192.168.1.1:2828/ctl"},
		{"http://192.168.1.1:5000/upnp/", "ctl", "http://192.168.1.1:5000/ctl http://192.168.1.1:5000/dir/ctl http://192.168.1.1:5000/upnp/ctl"},
		{"", "ctl?a=b", "http://192.168.1.1:5000/ctl?a=b http://192.168.1.1:5000/dir/ctl?a=b"},
		{"", "?10", "http://192.168.1.1:5000/?10 http://192.168.1.1:5000/dir/desc.xml?10"},
		{"", "", ""},
		{"", "%zz", ""},
		{"", "https://192.168.1.1/ctl", ""},
		{"", "javascript:alert(1)", ""},
		{"%zz", "/ctl", "http://192.168.1.1:5000/ctl"},
		{"nonsense", "/ctl", "http://192.168.1.1:5000/ctl"},
		{"https://192.168.1.1/", "/ctl", "http://192.168.1.1:5000/ctl"},
	} {
		var got []string
		for _, u := range controlURLs(mustURL("http://192.168.1.1:5000/dir/desc.xml"), tt.base, tt.control) {
			got = append(got, u.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("base %q, control URL %q:\n%s\nwant\n%s", tt.base, tt.control, strings.Join(got, " "), tt.want)
		}
	}
}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}

func FuzzDescription(f *testing.F) {
	for _, document := range []string{
		deviceWith(declare("GBK"), "\xc2\xb7", ipService), utf16le(deviceWith("", "x", ipService), true), deviceWith(xmlHead, "&#x110000;&<![CDATA[", ipService),
		"<?xml encoding=\"ISO-2022-JP\"?>\x1b$B<\x1b(B", strings.Repeat("<service>", 100), "<controlURL>http://[::1]/%</controlURL></service>", "<root><device><URLBase>//</URLBase>",
		strings.Repeat("<service>"+ipService+"</service>", 20),
	} {
		f.Add([]byte(document), "text/xml; charset=utf-8")
	}
	place := mustURL("http://192.168.1.1:5000/dir/desc.xml")
	f.Fuzz(func(t *testing.T, b []byte, contentType string) {
		text := decodeText(b, contentType)
		if !utf8.ValidString(text) || len(text) > 4*len(b)+4 {
			t.Fatalf("%d bytes become %d, valid: %v", len(b), len(text), utf8.ValidString(text))
		}
		if n := len(tags(text)); n > maxTags {
			t.Fatalf("%d tags", n)
		}
		d, err := parseDescription(text, place)
		if err != nil {
			return
		}
		for _, s := range d.services {
			for _, u := range s.controls {
				if u.Scheme != "http" || u.Hostname() != "192.168.1.1" || u.User != nil {
					t.Errorf("a control URL elsewhere: %v", u)
				}
			}
		}
		if n := len(mappers(d, nil)); n > maxLocations {
			t.Errorf("%d mappers", n)
		}
	})
}
