package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// ssdpGroup is the multicast group in which UPnP devices receive searches and announce themselves.
var ssdpGroup = netip.MustParseAddrPort("239.255.255.250:1900")

// ssdpTargets are the search targets. Routers with version 1 do not answer a search for version 2,
// and some routers with version 2 answer a search for version 1 with version 2. A few announce only
// the service and not the device, and some answer only a search for all root devices.
var ssdpTargets = []string{
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
	"urn:schemas-upnp-org:service:WANIPConnection:1",
	"urn:schemas-upnp-org:service:WANPPPConnection:1",
	rootDevice,
}

// rootDevice stands for every device that is not a part of another one.
const rootDevice = "upnp:rootdevice"

const (
	// maxLocations bounds how many descriptions of one kind (see places) a search fetches, and how
	// many places of services in one description are tried, because a host could answer with
	// thousands.
	maxLocations = 8
	// ssdpAnswers bounds how many answers one search reads.
	ssdpAnswers = 256
)

// ssdpWaits are the pauses between the rounds of a search. There are several rounds because
// datagrams get lost.
var ssdpWaits = []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond}

// ssdpMessage is an answer to a search or an announcement.
type ssdpMessage struct {
	notify   bool
	alive    bool   // for an announcement: alive or update; false: byebye
	kind     string // ST or NT
	usn      string
	location string
	boot     string
	server   string
}

// gateway reports whether the message says that it is about a router. A message that does not may be
// about one, too: only the description tells.
func (m ssdpMessage) gateway() bool {
	label := strings.ToLower(m.kind + " " + m.usn)
	return strings.Contains(label, ":internetgatewaydevice:") || strings.Contains(label, ":wanipconnection:") || strings.Contains(label, ":wanpppconnection:")
}

// device returns the unique name of the device, without the part that names the service.
func (m ssdpMessage) device() string {
	name, _, _ := strings.Cut(m.usn, "::")
	return line(name)
}

// parseSSDP parses one datagram. It uses no HTTP parser, because routers are careless with blanks
// and line ends.
func parseSSDP(b []byte) (m ssdpMessage, err error) {
	first, rest, _ := strings.Cut(string(b), "\n")
	first = strings.ToUpper(strings.TrimSpace(first))
	switch {
	case strings.HasPrefix(first, "NOTIFY "):
		m.notify = true
	case strings.HasPrefix(first, "HTTP/") && strings.Contains(first, " 200"):
	default:
		return m, fmt.Errorf("neither an answer nor an announcement: %q", line(first))
	}
	for text := range strings.Lines(rest) {
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToUpper(strings.TrimSpace(key)) {
		case "NTS":
			m.alive = value == "ssdp:alive" || value == "ssdp:update"
		case "ST", "NT":
			m.kind = line(value)
		case "USN":
			m.usn = value
		case "LOCATION":
			m.location = value
		case "BOOTID.UPNP.ORG":
			m.boot = line(value)
		case "SERVER":
			m.server = line(value)
		}
	}
	return m, nil
}

// place returns the URL of the device description, at the host that sent the message.
func (m ssdpMessage) place(from netip.Addr) (*url.URL, error) {
	return placeAt(m.location, from)
}

// placeAt parses the URL of a device description. Whatever host it names, the result names the host
// that sent it: a router with several addresses may name another of them, and no host can make this
// node fetch from a third one.
func placeAt(text string, host netip.Addr) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("not a URL of a description: %q", line(text))
	}
	name := host.Unmap().String()
	if port := u.Port(); port != "" {
		u.Host = net.JoinHostPort(name, port)
	} else if u.Host = name; host.Unmap().Is6() {
		u.Host = "[" + name + "]"
	}
	u.Fragment = ""
	return u, nil
}

// places decides which descriptions a search fetches. Messages that are about routers come first by
// having a bound of their own, and so do those of the default gateway: a host can have hundreds of
// other devices around it.
type places struct {
	gateway netip.Addr // of the network; invalid if there is none
	seen    map[string]bool
	count   [3]int
}

// take reports whether to fetch the description at place. A description is fetched again if it turns
// out that its device says to be a router, because its faults are reported then.
func (p *places) take(m ssdpMessage, place *url.URL, from netip.Addr) bool {
	key := place.String()
	labelled, known := p.seen[key]
	kind := 0
	switch {
	case m.gateway():
	case from == p.gateway:
		kind = 1
	default:
		kind = 2
	}
	if known && (labelled || kind > 0) || p.count[kind] >= maxLocations {
		return false
	}
	p.seen[key] = kind == 0
	p.count[kind]++
	return true
}

// searchSSDP sends searches from one local address and reports each device that answers, once for
// each URL, until ctx ends. to contains the multicast group and the gateway itself, which answers
// if multicast is filtered.
func searchSSDP(ctx context.Context, local, gateway netip.Addr, to []netip.AddrPort, report func(m ssdpMessage, place *url.URL, from netip.Addr)) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: local.AsSlice()})
	if err != nil {
		return fmt.Errorf("SSDP search from %v: %w", local, err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	chosen := places{gateway: gateway, seen: map[string]bool{}}
	buf := make([]byte, 2048)
	for round, answers := 0, 0; answers < ssdpAnswers; {
		wait := 3 * time.Second
		if round < len(ssdpWaits) {
			if err := askSSDP(conn, to); err != nil {
				return fmt.Errorf("SSDP search from %v: %w", local, err)
			}
			wait = ssdpWaits[min(round+1, len(ssdpWaits)-1)]
			round++
		}
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		for answers < ssdpAnswers {
			if ctx.Err() != nil {
				return nil
			}
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				break
			}
			if err != nil {
				return fmt.Errorf("SSDP search from %v: %w", local, err)
			}
			answers++
			m, err := parseSSDP(buf[:n])
			if err != nil || m.notify {
				continue
			}
			host := from.Addr().Unmap()
			if place, err := m.place(host); err == nil && chosen.take(m, place, host) {
				report(m, place, host)
			}
		}
	}
	return nil
}

// askSSDP sends one round of searches. It fails if it could send none.
func askSSDP(conn *net.UDPConn, to []netip.AddrPort) (err error) {
	sent := false
	for _, addr := range to {
		for _, target := range ssdpTargets {
			text := "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: " + target + "\r\n\r\n"
			if _, werr := conn.WriteToUDPAddrPort([]byte(text), addr); werr != nil {
				err = werr
				break
			}
			sent = true
		}
	}
	if sent {
		return nil
	}
	return err
}
