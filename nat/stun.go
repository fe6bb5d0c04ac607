package nat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// stunServers are asked where the operator names none.
var stunServers = []string{"stun.l.google.com:19302", "stun.cloudflare.com:3478"}

// stunMapper learns the address from servers on the Internet (RFC 8489). It maps
// nothing: whether the ports are open, nobody says.
type stunMapper struct {
	addressOnly
	servers []string // host:port each
}

// newSTUN makes a mapper for one server, or for those of our choice.
func newSTUN(server string) *stunMapper {
	servers := stunServers
	if server != "" {
		servers = []string{server}
	}
	return &stunMapper{addressOnly{MethodSTUN}, servers}
}

// External asks one server after the other; each gets its share of the time left.
func (s *stunMapper) External(ctx context.Context) (Reading, error) {
	var last error
	for i, server := range s.servers {
		share := ctx
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			share, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(s.servers)-i))
			defer cancel()
		}
		ip, err := askSTUN(share, server)
		if err == nil {
			return Reading{IP: ip}, nil
		}
		cause, text := ioError(err)
		if errors.As(err, new(*garbageError)) {
			cause, text = Garbage, line(err.Error())
		}
		last = &Error{Method: MethodSTUN, Router: server, Op: "external address", Cause: cause, Words: text, Err: err}
	}
	return Reading{}, last
}

// askSTUN sends a binding request until it is answered or ctx ends.
func askSTUN(ctx context.Context, server string) (netip.Addr, error) {
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	raw := func(netip.Addr) []byte { return request.Raw }
	return exchange(ctx, nil, server, raw, func(b []byte) (netip.Addr, bool, error) {
		ip, err := parseSTUN(b, request.TransactionID)
		return ip, err == nil, err
	})
}

// parseSTUN reads our address out of a binding response.
func parseSTUN(b []byte, id [stun.TransactionIDSize]byte) (netip.Addr, error) {
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		return netip.Addr{}, err
	}
	if m.TransactionID != id || m.Type != stun.BindingSuccess {
		return netip.Addr{}, errors.New("not the answer to our request")
	}
	var xored stun.XORMappedAddress
	ip := net.IP(nil)
	if err := xored.GetFrom(m); err == nil {
		ip = xored.IP
	} else {
		var plain stun.MappedAddress // servers of RFC 3489
		if err := plain.GetFrom(m); err != nil {
			return netip.Addr{}, err
		}
		ip = plain.IP
	}
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Addr{}, errors.New("no address in the answer")
	}
	return a.Unmap(), nil
}
