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
	Host   string     // the DNS name for extip, in place of IP
	Server string     // host:port, for stun; empty: the default servers
}

// defaultSTUNPort is STUN's default port (RFC 8489 §18.6).
const defaultSTUNPort = "3478"

// Parse parses a value of --nat: any, none, upnp, pmp, pmp:IP, pcp, pcp:IP, extip:IP, extip:HOST,
// stun or stun:HOST:PORT, spelled as in go-ethereum. As there, "" and "off" mean none; "auto" and "on" mean
// any.
func Parse(text string) (Spec, error) {
	name, rest, given := strings.Cut(text, ":")
	bare := func(s Spec) (Spec, error) {
		if given {
			return Spec{}, fmt.Errorf("%s takes no value after a colon, got %q", name, rest)
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
		s, err := withIP(Spec{Method: MethodFixed}, name, rest)
		if err != nil && isHostname(rest) {
			return Spec{Method: MethodFixed, Host: rest}, nil
		}
		if err != nil {
			return Spec{}, fmt.Errorf("%s:IP or %s:HOST needs the IP address or the DNS name of this node, got %q", name, name, rest)
		}
		return s, nil
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
			return Spec{}, fmt.Errorf("stun:HOST:PORT needs a host, got %q", rest)
		}
		s.Server = net.JoinHostPort(host, port)
		return s, nil
	}
	return Spec{}, fmt.Errorf("%q: want any, none, upnp, pmp[:IP], pcp[:IP], extip:IP, extip:HOST or stun[:HOST:PORT]", text)
}

func withIP(s Spec, name, text string) (Spec, error) {
	ip, err := netaddr.ParseAddr(text)
	if err != nil || !isHost(ip) {
		return Spec{}, fmt.Errorf("%s:IP needs the IP address of a host, got %q", name, text)
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
	switch {
	case s.IP.IsValid():
		name += ":" + s.IP.String()
	case s.Host != "":
		name += ":" + s.Host
	}
	return name
}

// isHostname reports whether text can be a DNS name (RFC 1123, with underscores, which some networks
// use). A name whose last label is a number is a mistyped address.
func isHostname(text string) bool {
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return len(text) <= 254 && strings.Trim(labels[len(labels)-1], "0123456789") != ""
}
