package nat

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// Spec is the parsed value of --nat: how to obtain an external address.
type Spec struct {
	Off    bool       // none
	Method Method     // empty: any
	IP     netip.Addr // the address for extip; the router's for pmp and pcp, if the operator names it
	Server string     // host:port, for stun; empty: the default servers
}

// defaultSTUNPort is STUN's default port (RFC 8489 §18.6).
const defaultSTUNPort = "3478"

// Parse parses a value of --nat: any, none, upnp, pmp, pmp:IP, pcp, pcp:IP, extip:IP, stun or
// stun:HOST:PORT, spelled as in go-ethereum. As there, "" and "off" mean none; "auto" and "on" mean
// any.
func Parse(text string) (Spec, error) {
	name, rest, given := strings.Cut(text, ":")
	bare := func(s Spec) (Spec, error) {
		if given {
			return Spec{}, fmt.Errorf("--nat %s takes no value after a colon, got %q", name, rest)
		}
		return s, nil
	}
	switch name = strings.ToLower(name); name {
	case "any", "auto", "on":
		return bare(Spec{})
	case "", "none", "off":
		return bare(Spec{Off: true})
	case "upnp":
		return bare(Spec{Method: MethodUPnP})
	case "pmp", "natpmp", "nat-pmp", "pcp":
		s := Spec{Method: MethodPMP}
		if name == "pcp" {
			s.Method = MethodPCP
		}
		if !given {
			return s, nil
		}
		return withIP(s, name, rest)
	case "extip", "ip":
		return withIP(Spec{Method: MethodFixed}, name, rest)
	case "stun":
		s := Spec{Method: MethodSTUN}
		if !given {
			return s, nil
		}
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			host, port = strings.Trim(rest, "[]"), defaultSTUNPort
		}
		if host == "" || port == "" {
			return Spec{}, fmt.Errorf("--nat stun:HOST:PORT needs a host, got %q", rest)
		}
		s.Server = net.JoinHostPort(host, port)
		return s, nil
	}
	return Spec{}, fmt.Errorf("--nat %q: want any, none, upnp, pmp[:IP], pcp[:IP], extip:IP or stun[:HOST:PORT]", text)
}

func withIP(s Spec, name, text string) (Spec, error) {
	ip, err := netaddr.ParseAddr(text)
	if err != nil || ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
		return Spec{}, fmt.Errorf("--nat %s:IP needs the IP address of a host, got %q", name, text)
	}
	s.IP = ip
	return s, nil
}

// String returns the value that Parse accepts.
func (s Spec) String() string {
	switch {
	case s.Off:
		return "none"
	case s.Method == "":
		return "any"
	case s.Method == MethodSTUN && s.Server != "":
		return "stun:" + s.Server
	}
	name := string(s.Method)
	if s.Method == MethodPMP {
		name = "pmp"
	}
	if s.IP.IsValid() {
		name += ":" + s.IP.String()
	}
	return name
}
