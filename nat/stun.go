package nat

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/troupe-p2p/troupe/nat/stun"
)

// stunServers are the servers to ask if the operator names none.
var stunServers = []string{"stun.l.google.com:19302", "stun.cloudflare.com:3478"}

// stunMapper learns the address from servers on the Internet (RFC 8489). It maps no port, and
// does not know whether the ports are open.
type stunMapper struct {
	addressOnly
	servers []string // host:port each
}

// newSTUN makes a mapper for one server; an empty name stands for stunServers.
func newSTUN(server string) *stunMapper {
	servers := stunServers
	if server != "" {
		servers = []string{server}
	}
	return &stunMapper{addressOnly{MethodSTUN}, servers}
}

// External asks one server after the other; each gets its share of the remaining time.
func (s *stunMapper) External(ctx context.Context) (Reading, error) {
	var failed []*Error
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
		failed = append(failed, &Error{Method: MethodSTUN, Router: server, Op: "external address", Cause: cause, Words: text, Err: err})
	}
	return Reading{}, allFailed(failed)
}

// allFailed returns one error for all servers. Its cause is that of the first.
func allFailed(failed []*Error) error {
	first := *failed[0]
	for _, other := range failed[1:] {
		first.Words += "; " + other.Router + ": " + other.Words
		first.Err = errors.Join(first.Err, other.Err)
	}
	return &first
}

// askSTUN sends a Binding request until a response comes or ctx ends.
func askSTUN(ctx context.Context, server string) (netip.Addr, error) {
	id := stun.NewID()
	request := func(netip.Addr) []byte { return stun.Request(id) }
	return exchange(ctx, nil, server, request, func(b []byte) (netip.Addr, bool, error) {
		answered, seen, err := stun.ParseServerResponse(b)
		if err == nil && answered != id {
			err = errors.New("not the response to our request")
		}
		return seen.Addr(), err == nil, err
	})
}
