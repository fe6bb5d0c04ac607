package netaddr_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3": "10.1.2.3", " 10.1.2.3\t": "10.1.2.3", "::ffff:10.1.2.3": "10.1.2.3", "::FFFF:a01:203": "10.1.2.3", "0:0:0:0:0:ffff:10.1.2.3": "10.1.2.3",
		"::10.1.2.3": "::a01:203", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1%eth0", "": "", "10.1.2": "", "localhost": "", "10.0.0.1/8": "",
	} {
		if ip, err := netaddr.ParseAddr(text); (err == nil) != (want != "") || err == nil && ip.String() != want {
			t.Errorf("address %q: %v, %v; want %q", text, ip, err, want)
		}
	}
	for text, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", " 10.0.0.0/8 ": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0", "10.1.2.3/32": "10.1.2.3/32",
		"::ffff:127.0.0.0/104": "127.0.0.0/8", "::ffff:10.1.2.3/128": "10.1.2.3/32", "::ffff:10.1.2.3/120": "10.1.2.0/24", "::ffff:0:0/96": "0.0.0.0/0", "::ffff:10.0.0.0/96": "0.0.0.0/0",
		"::ffff:10.0.0.0/95": "", "::ffff:10.0.0.0/8": "", "::ffff:10.0.0.0/0": "", "::ffff:10.0.0.0/129": "",
		"::/0": "::/0", "::/80": "::/80", "2001:db8::1/32": "2001:db8::/32", "::10.0.0.0/104": "::a00:0/104",
		"10.0.0.0": "", "": "", "10.0.0.0/33": "", "fe80::%eth0/10": "", "10.0.0.0/8,11.0.0.0/8": "",
	} {
		p, err := netaddr.ParseNetwork(text)
		if (err == nil) != (want != "") || err == nil && p.String() != want {
			t.Errorf("network %q: %v, %v; want %q", text, p, err, want)
		}
		if err != nil && text != "" && !strings.Contains(err.Error(), strings.Split(text, "/")[0]) {
			t.Errorf("network %q: the error does not quote it: %v", text, err)
		}
	}
	if list, err := netaddr.CanonicalNetworks([]netip.Prefix{netip.MustParsePrefix("::ffff:10.1.1.1/104"), {}}); err == nil {
		t.Errorf("the zero Prefix is accepted: %v", list)
	}
	if list, err := netaddr.CanonicalNetworks(nil); list != nil || err != nil {
		t.Errorf("no networks: %v, %v", list, err)
	}
}

// FuzzNetwork: an address is in a network in the one form exactly if it is in the other.
func FuzzNetwork(f *testing.F) {
	f.Add("::ffff:127.0.0.0/104", "127.1.1.1")
	f.Add("0.0.0.0/0", "::ffff:1.2.3.4")
	f.Add("::/0", "::ffff:1.2.3.4")
	f.Fuzz(func(t *testing.T, network, addr string) {
		p, err := netaddr.ParseNetwork(network)
		ip, ierr := netaddr.ParseAddr(addr)
		if err != nil || ierr != nil {
			return
		}
		if again, err := netaddr.Canonical(p); err != nil || again != p || p.Addr().Is4In6() || p != p.Masked() {
			t.Errorf("%q becomes %v, then %v, %v", network, p, again, err)
		}
		if ip.Is4In6() {
			t.Errorf("%q becomes %v", addr, ip)
		}
		if !p.Addr().Is4() || !ip.Is4() {
			return
		}
		mapped := netip.PrefixFrom(netip.AddrFrom16(p.Addr().As16()), p.Bits()+96)
		if same, err := netaddr.Canonical(mapped); err != nil || same != p {
			t.Errorf("%v becomes %v, %v; want %v", mapped, same, err, p)
		}
		if in := netaddr.Allowed([]netip.Prefix{p}, ip); in != netaddr.Allowed([]netip.Prefix{p}, netip.AddrFrom16(ip.As16())) || in != mapped.Contains(netip.AddrFrom16(ip.As16())) {
			t.Errorf("%v in %v: %v", ip, p, in)
		}
	})
}
