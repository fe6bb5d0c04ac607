package nat

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

// pmpMapper speaks NAT-PMP (RFC 6886) with one router.
type pmpMapper struct{ router Router }

func newPMP(gateway, local netip.Addr) *pmpMapper {
	return &pmpMapper{Router{Name: "NAT-PMP router", Addr: gateway, Local: local}}
}

func (p *pmpMapper) Method() Method { return MethodPMP }
func (p *pmpMapper) Router() Router { return p.router }
func (p *pmpMapper) Caps() Caps     { return Caps{Maps: true, Tells: true} }

// pmpTimeout is the timeout of calls whose context has no deadline; the library's default is 128 s.
const pmpTimeout = 5 * time.Second

// client returns a client that gives up at ctx's deadline. Cancelling ctx earlier has no effect.
func (p *pmpMapper) client(ctx context.Context) *natpmp.Client {
	left := pmpTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = max(time.Until(deadline), time.Millisecond) // 0 would mean no timeout
	}
	gateway := p.router.Addr.AsSlice()
	if p.router.Local.IsValid() {
		return natpmp.NewClientWithLocalAndTimeout(gateway, p.router.Local.AsSlice(), left)
	}
	return natpmp.NewClientWithTimeout(gateway, left)
}

// External implements Mapper.
func (p *pmpMapper) External(ctx context.Context) (Reading, error) {
	r, err := p.client(ctx).GetExternalAddress()
	if err != nil {
		return Reading{}, p.fail("external address", err)
	}
	return Reading{IP: netip.AddrFrom4(r.ExternalIPAddress), Epoch: Epoch{Seconds: r.SecondsSinceStartOfEpoc, Known: true}}, nil
}

// Map implements Mapper. The router chooses another port itself if the suggested one is in use.
func (p *pmpMapper) Map(ctx context.Context, r Request) (Mapping, error) {
	seconds := int(max(r.Lifetime, time.Second) / time.Second)
	got, err := p.client(ctx).AddPortMapping(strings.ToLower(r.Protocol.String()), int(r.Internal), int(r.External), seconds)
	if err != nil {
		return Mapping{}, p.fail(fmt.Sprintf("map %s %d", r.Protocol, r.Internal), err)
	}
	return Mapping{
		Protocol: r.Protocol, Internal: InternalPort(got.InternalPort), External: ExternalPort(got.MappedExternalPort),
		Lifetime: time.Duration(got.PortMappingLifetimeInSeconds) * time.Second,
		Epoch:    Epoch{Seconds: got.SecondsSinceStartOfEpoc, Known: true},
	}, nil
}

// Unmap implements Mapper.
func (p *pmpMapper) Unmap(ctx context.Context, m Mapping) error {
	_, err := p.client(ctx).AddPortMapping(strings.ToLower(m.Protocol.String()), int(m.Internal), 0, 0)
	if err != nil {
		return p.fail(fmt.Sprintf("delete %s %d", m.Protocol, m.Internal), err)
	}
	return nil
}

// Verify implements Mapper. It always fails, because NAT-PMP has no list of mappings.
func (p *pmpMapper) Verify(context.Context, Mapping) (Mapping, error) {
	return Mapping{}, &Error{Method: MethodPMP, Router: p.router.String(), Op: "list", Cause: Unsupported, Words: "NAT-PMP has no list of mappings"}
}

// fail converts the library's errors to *Error. The library distinguishes them by text only.
func (p *pmpMapper) fail(op string, err error) error {
	e := &Error{Method: MethodPMP, Router: p.router.String(), Op: op, Err: err}
	switch text := err.Error(); {
	case strings.HasPrefix(text, "Non-zero result code "):
		if _, serr := fmt.Sscanf(text, "Non-zero result code %d", &e.Code); serr != nil {
			e.Words = line(text)
			return e
		}
		e.Cause, e.Words = pmpWords.explain(e.Code, "")
	case strings.HasPrefix(text, "Timed out"):
		e.Cause, e.Words = NoAnswer, "no answer"
	case strings.HasPrefix(text, "unexpected result size"), strings.HasPrefix(text, "Unexpected opcode"), strings.HasPrefix(text, "unknown protocol version"):
		e.Cause, e.Words = Garbage, "malformed answer: "+line(text)
	default:
		e.Cause, e.Words = ioError(err)
	}
	return e
}
