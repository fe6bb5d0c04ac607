package nat

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeIGD is a UPnP router on a loopback address of its own, with programmable faults.
type fakeIGD struct {
	addr netip.Addr
	ssdp netip.AddrPort
	http *http.Server
	base string

	mu        sync.Mutex
	version   int               // of IGD
	ip        string            // external address
	errors    map[string][]int  // codes for the next calls of an action; a negative code is repeated
	garbage   map[string]string // answers of an action, or of "desc", that replace the correct ones
	hang      map[string]bool
	taken     map[string]bool // "TCP 30303"
	permanent bool
	once      bool // refuses a mapping that exists, also to the host that has it
	forget    bool
	max       int
	location  string // replaces the correct one
	boot      string
	label     string                 // the one search target that is answered, and its ST; "-": none; "": that of the device; "parts": the root device and a part with a name of its own
	maps      map[string]fakeMapping // "TCP 30303"
	release   chan struct{}
}

type fakeMapping struct {
	internal int
	client   string
	lease    int
}

func newFakeIGD(t *testing.T, addr string) *fakeIGD {
	f := &fakeIGD{
		addr: netip.MustParseAddr(addr), version: 1, ip: "30.10.10.1", boot: "1",
		errors: map[string][]int{}, garbage: map[string]string{}, hang: map[string]bool{}, taken: map[string]bool{},
		maps: map[string]fakeMapping{}, release: make(chan struct{}),
	}
	l, err := net.Listen("tcp4", addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	f.base = "http://" + l.Addr().String()
	f.http = &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: f.addr.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	own, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		t.Fatal("the socket has no UDP address")
	}
	f.ssdp = own.AddrPort()
	var done sync.WaitGroup
	done.Go(func() { _ = f.http.Serve(l) })
	done.Go(func() { f.answerSearches(conn) })
	t.Cleanup(func() {
		close(f.release)
		_ = f.http.Close()
		_ = conn.Close()
		done.Wait()
	})
	return f
}

func (f *fakeIGD) set(change func(f *fakeIGD)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeIGD) mapping(key string) (fakeMapping, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.maps[key]
	return m, ok
}

func (f *fakeIGD) answerSearches(conn *net.UDPConn) {
	buf := make([]byte, 2000)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		target := regexp.MustCompile(`(?m)^ST: (\S+)`).FindSubmatch(buf[:n])
		f.mu.Lock()
		version, location, boot, label := f.version, f.location, f.boot, f.label
		f.mu.Unlock()
		if location == "" {
			location = f.base + "/desc.xml"
		}
		// A router of version 1 doesn't answer a search for version 2, and vice versa.
		wanted := label
		if wanted != rootDevice {
			wanted = fmt.Sprintf("InternetGatewayDevice:%d", version)
		}
		if target == nil || !strings.HasSuffix(string(target[1]), wanted) {
			continue
		}
		st := "ST: " + string(target[1]) + "\r\nUSN: uuid:fake::" + string(target[1])
		if label == "-" {
			st = "USN: uuid:fake"
		}
		all := []string{st}
		if label == "parts" {
			all = []string{"ST: " + rootDevice + "\r\nUSN: uuid:fake::" + rootDevice, "ST: urn:schemas-upnp-org:service:WANIPConnection:1\r\nUSN: uuid:fake-2::urn:schemas-upnp-org:service:WANIPConnection:1"}
		}
		for _, st := range all {
			_, _ = conn.WriteToUDPAddrPort(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nEXT:\r\nLOCATION: %s\r\n%s\r\nBOOTID.UPNP.ORG: %s\r\n\r\n", location, st, boot), from)
		}
	}
}

const fakeDescription = `<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><URLBase>http://203.0.113.9:1/</URLBase><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:%[1]d</deviceType><friendlyName>Fake&#x1b;[31m box</friendlyName><modelName>F1</modelName><UDN>uuid:fake</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:%[1]d</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:%[1]d</deviceType>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:%[1]d</serviceType><controlURL>%[2]s</controlURL></service></serviceList>
</device></deviceList></device></deviceList></device></root>`

func (f *fakeIGD) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	action := "desc"
	if _, name, ok := strings.Cut(strings.Trim(r.Header.Get("SOAPAction"), `"`), "#"); ok {
		action = name
	}
	f.mu.Lock()
	garbage, broken := f.garbage[action]
	hang, version := f.hang[action], f.version
	f.mu.Unlock()
	switch {
	case hang:
		select {
		case <-f.release:
		case <-r.Context().Done():
		}
	case broken:
		_, _ = io.WriteString(w, garbage)
	case action == "desc":
		_, _ = fmt.Fprintf(w, fakeDescription, version, "/ctl")
	default:
		args := map[string]string{}
		for _, m := range regexp.MustCompile(`<(New\w+)>([^<]*)</`).FindAllStringSubmatch(string(body), -1) {
			args[m[1]] = m[2]
		}
		out, code := f.act(action, args)
		f.reply(w, action, out, code)
	}
}

func (f *fakeIGD) reply(w io.Writer, action, out string, code int) {
	const envelope = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>%s</s:Body></s:Envelope>`
	inner := fmt.Sprintf(`<u:%[1]sResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">%[2]s</u:%[1]sResponse>`, action, out)
	if code != 0 {
		w.(http.ResponseWriter).WriteHeader(http.StatusInternalServerError)
		inner = fmt.Sprintf(`<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>%d</errorCode><errorDescription>said by the box</errorDescription></UPnPError></detail></s:Fault>`, code)
	}
	_, _ = fmt.Fprintf(w, envelope, inner)
}

// act performs a SOAP action.
func (f *fakeIGD) act(action string, args map[string]string) (out string, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if codes := f.errors[action]; len(codes) > 0 {
		if codes[0] < 0 {
			return "", -codes[0]
		}
		f.errors[action] = codes[1:]
		return "", codes[0]
	}
	key := args["NewProtocol"] + " " + args["NewExternalPort"]
	m, ok := f.maps[key]
	switch action {
	case "GetExternalIPAddress":
		return "<NewExternalIPAddress>" + f.ip + "</NewExternalIPAddress>", 0
	case "GetStatusInfo":
		return "<NewConnectionStatus>Connected</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>3600</NewUptime>", 0
	case "AddPortMapping", "AddAnyPortMapping":
		return f.add(action, args, key)
	case "DeletePortMapping":
		if !ok {
			return "", 714
		}
		delete(f.maps, key)
		return "", 0
	case "GetSpecificPortMappingEntry":
		if !ok {
			return "", 714
		}
		return fakeEntryXML(m), 0
	case "GetGenericPortMappingEntry":
		i, _ := strconv.Atoi(args["NewPortMappingIndex"])
		for _, key := range slices.Sorted(maps.Keys(f.maps)) {
			m := f.maps[key]
			if i--; i < 0 {
				protocol, external, _ := strings.Cut(key, " ")
				return "<NewRemoteHost></NewRemoteHost><NewExternalPort>" + external + "</NewExternalPort><NewProtocol>" + protocol + "</NewProtocol>" + fakeEntryXML(m), 0
			}
		}
		return "", 713
	}
	return "", 401
}

func (f *fakeIGD) add(action string, args map[string]string, key string) (string, int) {
	lease, _ := strconv.Atoi(args["NewLeaseDuration"])
	internal, _ := strconv.Atoi(args["NewInternalPort"])
	if f.permanent && lease != 0 {
		return "", 725
	}
	if _, exists := f.maps[key]; exists && f.once {
		return "", 718
	}
	if f.taken[key] {
		if action == "AddPortMapping" {
			return "", 718
		}
		key = args["NewProtocol"] + " 41000"
	}
	if f.max != 0 {
		lease = min(lease, f.max)
	}
	if !f.forget {
		f.maps[key] = fakeMapping{internal: internal, client: args["NewInternalClient"], lease: lease}
	}
	if action == "AddPortMapping" {
		return "", 0
	}
	_, external, _ := strings.Cut(key, " ")
	return "<NewReservedPort>" + external + "</NewReservedPort>", 0
}

func fakeEntryXML(m fakeMapping) string {
	return fmt.Sprintf("<NewInternalPort>%d</NewInternalPort><NewInternalClient>%s</NewInternalClient><NewEnabled>1</NewEnabled><NewPortMappingDescription>x</NewPortMappingDescription><NewLeaseDuration>%d</NewLeaseDuration>", m.internal, m.client, m.lease)
}
