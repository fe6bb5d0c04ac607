package nat

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// portPMP is the port on which routers speak PCP and NAT-PMP.
const portPMP = 5351

// pcpMapper speaks PCP (RFC 6887) with one router.
type pcpMapper struct {
	router  Router
	gateway netip.AddrPort
	seed    [32]byte
}

// newPCP returns a mapper for a gateway. seed is a secret of the node. Nonces are derived from it,
// so that a node that was killed can renew its earlier mappings and no other node can.
func newPCP(gateway netip.AddrPort, local netip.Addr, seed [32]byte) *pcpMapper {
	return &pcpMapper{router: Router{Name: "PCP router", Addr: gateway.Addr(), Local: local}, gateway: gateway, seed: seed}
}

func (p *pcpMapper) Method() Method { return MethodPCP }
func (p *pcpMapper) Router() Router { return p.router }

// Caps implements Mapper. A router answers a MAP request for an existing mapping with that mapping,
// which serves as a lookup in its list.
func (p *pcpMapper) Caps() Caps { return Caps{Maps: true, List: true} }

// External requests the router's clock with an ANNOUNCE. PCP reports the address only with a
// mapping.
func (p *pcpMapper) External(ctx context.Context) (Reading, error) {
	a, err := p.call(ctx, pcpRequest{}, "clock")
	if err != nil && a.epoch == 0 {
		return Reading{}, err
	}
	// A router that doesn't support ANNOUNCE still reports its clock.
	return Reading{Epoch: Epoch{Seconds: a.epoch, Known: true}}, nil
}

// Map implements Mapper. PCP always grants another port if the suggested one is taken.
func (p *pcpMapper) Map(ctx context.Context, r Request) (Mapping, error) {
	return p.mapFor(ctx, r, netip.Addr{})
}

func (p *pcpMapper) mapFor(ctx context.Context, r Request, ip netip.Addr) (Mapping, error) {
	q := pcpRequest{
		lifetime: uint32(max(r.Lifetime, time.Second) / time.Second), nonce: p.nonce(r.Protocol, r.Internal), protocol: r.Protocol,
		internal: r.Internal, external: r.External, ip: ip,
	}
	a, err := p.call(ctx, q, fmt.Sprintf("map %s %d", r.Protocol, r.Internal))
	if err != nil {
		return Mapping{}, err
	}
	return Mapping{
		Protocol: r.Protocol, Internal: a.internal, External: a.external, IP: a.ip, Lifetime: a.lifetime,
		Epoch: Epoch{Seconds: a.epoch, Known: true},
	}, nil
}

// Unmap implements Mapper: a lifetime of 0 deletes (RFC 6887 §15).
func (p *pcpMapper) Unmap(ctx context.Context, m Mapping) error {
	q := pcpRequest{nonce: p.nonce(m.Protocol, m.Internal), protocol: m.Protocol, internal: m.Internal}
	_, err := p.call(ctx, q, fmt.Sprintf("delete %s %d", m.Protocol, m.Internal))
	return err
}

// Verify implements Mapper. It requests the existing mapping, and the router answers with its
// mapping, which it creates again if necessary.
func (p *pcpMapper) Verify(ctx context.Context, m Mapping) (Mapping, error) {
	return p.mapFor(ctx, Request{Protocol: m.Protocol, Internal: m.Internal, External: m.External, Lifetime: lifetime}, m.IP)
}

// nonce returns the nonce of a mapping. It is the same for the same port at the same router as long
// as seed is the same.
func (p *pcpMapper) nonce(proto Protocol, port InternalPort) (n pcpNonce) {
	h := hmac.New(sha256.New, p.seed[:])
	fmt.Fprintf(h, "pcp nonce %v %v %d", p.router.Addr, proto, port)
	copy(n[:], h.Sum(nil))
	return n
}

func (p *pcpMapper) fail(op string, code int, cause Cause, text string, err error) *Error {
	return &Error{Method: MethodPCP, Router: p.router.String(), Op: op, Code: code, Cause: cause, Words: text, Err: err}
}

// call sends a request until it is answered or ctx ends. For an error response it returns both the
// answer and an error.
func (p *pcpMapper) call(ctx context.Context, q pcpRequest, op string) (pcpAnswer, error) {
	a, err := p.exchange(ctx, q)
	var garbage *garbageError
	switch {
	case err == nil && a.code != 0:
		cause, text := pcpWords.explain(a.code, "")
		return a, p.fail(op, a.code, cause, text, nil)
	case err == nil:
		return a, nil
	case errors.As(err, new(errNotPCP)):
		return a, p.fail(op, 0, Unsupported, err.Error(), err)
	case errors.As(err, &garbage):
		return a, p.fail(op, 0, Garbage, err.Error(), err)
	}
	cause, text := ioError(err)
	return a, p.fail(op, 0, cause, text, err)
}

// exchange sends q to the router and waits for its answer.
func (p *pcpMapper) exchange(ctx context.Context, q pcpRequest) (pcpAnswer, error) {
	request := func(own netip.Addr) []byte {
		q.client = own
		return q.append(nil)
	}
	return exchange(ctx, localUDP(p.router.Local), p.gateway.String(), request, func(b []byte) (a pcpAnswer, done bool, err error) {
		a, err = parsePCP(b)
		if errors.As(err, new(errNotPCP)) {
			return a, true, err
		}
		return a, err == nil && answers(a, q), err
	})
}

// answers reports whether a answers q. It compares nonce, protocol and port (RFC 6887 §11.4); a
// short error response contains none of them.
func answers(a pcpAnswer, q pcpRequest) bool {
	if q.protocol == 0 {
		return a.op == pcpAnnounce
	}
	if a.op != pcpMap {
		return false
	}
	if a.code != 0 && a.protocol == 0 {
		return true
	}
	return a.nonce == q.nonce && a.protocol == q.protocol.iana() && a.internal == q.internal
}
