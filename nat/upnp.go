package nat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"

	"github.com/troupe-p2p/troupe/nat/netaddr"
)

// igd contains the calls that WANIPConnection:1, :2 and WANPPPConnection:1 have in common.
type igd interface {
	AddPortMappingCtx(ctx context.Context, remote string, external uint16, protocol string, internal uint16, client string, enabled bool, description string, seconds uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, external uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
	GetSpecificPortMappingEntryCtx(ctx context.Context, remote string, external uint16, protocol string) (internal uint16, client string, enabled bool, description string, seconds uint32, err error)
	GetGenericPortMappingEntryCtx(ctx context.Context, index uint16) (remote string, external uint16, protocol string, internal uint16, client string, enabled bool, description string, seconds uint32, err error)
	GetStatusInfoCtx(ctx context.Context) (status, lastError string, uptime uint32, err error)
}

// anyIGD contains the additional call of WANIPConnection:2.
type anyIGD interface {
	AddAnyPortMappingCtx(ctx context.Context, remote string, external uint16, protocol string, internal uint16, client string, enabled bool, description string, seconds uint32) (uint16, error)
}

// upnpMapper uses one connection service of one router by UPnP.
type upnpMapper struct {
	router      Router
	service     igd
	kind        string // of the service, such as "WANIPConnection:2"
	description string // shown by the router for our mappings
}

// optionalTimeout bounds a call whose result is optional: a router that takes seconds for each call
// would delay us too long. If the call before took longer, the optional one is skipped.
const optionalTimeout = time.Second

// optional makes an optional call, unless optionalTimeout has passed since the given time.
func (u *upnpMapper) optional(ctx context.Context, since time.Time, f func(context.Context)) {
	if time.Since(since) >= optionalTimeout {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, optionalTimeout)
	defer cancel()
	f(ctx)
}

// mappers returns a mapper for each place where a service of a device may be, the best first.
func mappers(d description, h http.RoundTripper) (all []*upnpMapper) {
	for _, s := range d.services {
		for _, at := range s.controls[:min(len(s.controls), maxLocations-len(all))] {
			all = append(all, newUPnP(s, at, h))
		}
	}
	return all
}

// newUPnP makes a mapper for one service.
func newUPnP(s wanService, at *url.URL, h http.RoundTripper) *upnpMapper {
	m := &upnpMapper{kind: fmt.Sprintf("%s:%d", s.kind, s.version)}
	carrier := &soapTransport{http: h, is: s.urn}
	c := soap.NewSOAPClient(*at)
	c.HTTPClient = httpClient(carrier)
	client := goupnp.ServiceClient{SOAPClient: c}
	switch {
	case s.kind == wanPPP:
		m.service, carrier.known = &internetgateway2.WANPPPConnection1{ServiceClient: client}, internetgateway2.URN_WANPPPConnection_1
	case s.version >= 2:
		m.service, carrier.known = &internetgateway2.WANIPConnection2{ServiceClient: client}, internetgateway2.URN_WANIPConnection_2
	default:
		m.service, carrier.known = &internetgateway2.WANIPConnection1{ServiceClient: client}, internetgateway2.URN_WANIPConnection_1
	}
	return m
}

func (u *upnpMapper) Method() Method { return MethodUPnP }
func (u *upnpMapper) Router() Router { return u.router }

func (u *upnpMapper) Caps() Caps {
	_, any := u.service.(anyIGD)
	return Caps{Maps: true, Tells: true, Any: any, List: true}
}

// External implements Mapper. The uptime of the router's connection serves as its clock.
func (u *upnpMapper) External(ctx context.Context) (r Reading, err error) {
	began := time.Now()
	err = u.call(ctx, "external address", func(ctx context.Context) error {
		text, err := u.service.GetExternalIPAddressCtx(ctx)
		if err != nil {
			return err
		}
		if text = strings.TrimSpace(text); text == "" {
			r.IP = netip.IPv4Unspecified()
			return nil
		}
		r.IP, err = netaddr.ParseAddr(text)
		if err != nil {
			return &garbageError{fmt.Errorf("%q is not an address", line(text))}
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	// Not all routers report an uptime. Lookups and renewals watch the others.
	u.optional(ctx, began, func(ctx context.Context) {
		_ = u.call(ctx, "status", func(ctx context.Context) error {
			_, _, uptime, err := u.service.GetStatusInfoCtx(ctx)
			if err == nil && uptime > 0 {
				r.Epoch = Epoch{Seconds: uptime, Known: true, Loose: true}
			}
			return err
		})
	})
	return r, nil
}

// Map implements Mapper. UPnP does not report what was granted, so Map looks up the entry. A router
// that answered OK but has no entry counts as refusing.
func (u *upnpMapper) Map(ctx context.Context, q Request) (Mapping, error) {
	op := fmt.Sprintf("map %s %d as %d", q.Protocol, q.Internal, q.External)
	m := Mapping{Protocol: q.Protocol, Internal: q.Internal, Lifetime: q.Lifetime, Permanent: q.Lifetime == 0}
	seconds, began := uint32(q.Lifetime/time.Second), time.Now()
	add := func() error {
		return u.call(ctx, op, func(ctx context.Context) (err error) {
			m.External, err = u.add(ctx, q, seconds)
			return err
		})
	}
	err := add()
	if causeOf(err) == PortInUse {
		// Some routers refuse a mapping that exists already, also to the host that has it.
		if _, verr := u.Verify(ctx, Mapping{Protocol: q.Protocol, Internal: q.Internal, External: q.External}); verr == nil && u.Unmap(ctx, Mapping{Protocol: q.Protocol, External: q.External}) == nil {
			err = add()
		}
	}
	if err != nil {
		return Mapping{}, err
	}
	if m.External == 0 {
		return m, nil // the caller rejects it
	}
	u.optional(ctx, began, func(ctx context.Context) {
		entry, verr := u.Verify(ctx, m)
		switch {
		case verr == nil && !m.Permanent && entry.Lifetime > 0:
			m.Lifetime = min(m.Lifetime, entry.Lifetime)
		case causeOf(verr) == NoMapping:
			err = &Error{Method: MethodUPnP, Router: u.router.String(), Op: op, Cause: Refused, Words: "the router answered OK but has no such mapping", Err: verr}
		}
	})
	return m, err
}

// add makes the call that adds a mapping, and returns its external port.
func (u *upnpMapper) add(ctx context.Context, q Request, seconds uint32) (ExternalPort, error) {
	client := u.router.Local.String()
	if any, ok := u.service.(anyIGD); ok && q.Any {
		port, err := any.AddAnyPortMappingCtx(ctx, "", uint16(q.External), q.Protocol.String(), uint16(q.Internal), client, true, u.description, seconds)
		return ExternalPort(port), err
	}
	if q.External == 0 { // it would forward all ports that no other mapping has
		return 0, &Error{Method: MethodUPnP, Router: u.router.String(), Cause: Unsupported, Words: "the router can't choose a port"}
	}
	return q.External, u.service.AddPortMappingCtx(ctx, "", uint16(q.External), q.Protocol.String(), uint16(q.Internal), client, true, u.description, seconds)
}

// Unmap implements Mapper.
func (u *upnpMapper) Unmap(ctx context.Context, m Mapping) error {
	err := u.call(ctx, fmt.Sprintf("delete %s %d", m.Protocol, m.External), func(ctx context.Context) error {
		return u.service.DeletePortMappingCtx(ctx, "", uint16(m.External), m.Protocol.String())
	})
	if causeOf(err) == NoMapping {
		return nil
	}
	return err
}

// Verify implements Mapper. Lifetime in the result is the remaining time; 0 if the router does not
// report it.
func (u *upnpMapper) Verify(ctx context.Context, m Mapping) (Mapping, error) {
	op := fmt.Sprintf("look up %s %d", m.Protocol, m.External)
	err := u.call(ctx, op, func(ctx context.Context) error {
		internal, client, enabled, _, seconds, err := u.service.GetSpecificPortMappingEntryCtx(ctx, "", uint16(m.External), m.Protocol.String())
		if err != nil {
			return err
		}
		// Some routers show a host name instead of the address.
		if ip, perr := netaddr.ParseAddr(client); perr == nil && ip != u.router.Local || InternalPort(internal) != m.Internal || !enabled {
			return &Error{Method: MethodUPnP, Router: u.router.String(), Op: op, Cause: NoMapping,
				Words: fmt.Sprintf("the router forwards the port to %s port %d, enabled: %v", line(client), internal, enabled)}
		}
		m.Lifetime = time.Duration(seconds) * time.Second
		return nil
	})
	return m, err
}

// maxEntries bounds how many entries of a router's list are read.
const maxEntries = 128

// list returns the router's mappings to this host. It stops at the first error, which is how UPnP
// marks the end of the list.
func (u *upnpMapper) list(ctx context.Context) (all []Mapping) {
	for i := range uint16(maxEntries) {
		var m Mapping
		ours := false
		err := u.call(ctx, "list", func(ctx context.Context) error {
			_, external, protocol, internal, client, _, _, seconds, err := u.service.GetGenericPortMappingEntryCtx(ctx, i)
			m = Mapping{Internal: InternalPort(internal), External: ExternalPort(external), Lifetime: time.Duration(seconds) * time.Second, Permanent: seconds == 0}
			if m.Protocol = TCP; strings.EqualFold(protocol, "UDP") {
				m.Protocol = UDP
			}
			ours = client == u.router.Local.String()
			return err
		})
		if err != nil {
			return all
		}
		if ours {
			all = append(all, m)
		}
	}
	return all
}

// call makes one call and converts its error to an *Error.
func (u *upnpMapper) call(ctx context.Context, op string, f func(context.Context) error) error {
	var at failure
	err := f(context.WithValue(ctx, failureKey{}, &at))
	if err == nil {
		return nil
	}
	e := &Error{Method: MethodUPnP, Router: u.router.String(), Op: op, Err: err}
	var fault *soap.SOAPFaultError
	var garbage *garbageError
	var status *failedStatus
	switch own := (*Error)(nil); {
	case errors.As(err, &own):
		return own
	case errors.As(err, &fault):
		e.Code = fault.Detail.UPnPError.Errorcode
		e.Cause, e.Words = upnpWords.explain(e.Code, fault.Detail.UPnPError.ErrorDescription)
		if e.Cause == Other {
			e.Cause = Failed // a code of the router's own
		}
	case errors.As(err, &garbage), errors.As(at.err, &garbage):
		e.Cause, e.Words = Garbage, garbage.Error()
	case errors.As(at.err, &status):
		e.Cause, e.Words = Garbage, status.Error()
		if status.status == http.StatusInternalServerError {
			e.Cause = Failed // a fault that the router does not explain
		}
	case ctx.Err() != nil:
		e.Cause, e.Words = ioError(ctx.Err())
	case at.err != nil && errors.Is(at.err, io.EOF):
		e.Cause, e.Words = Garbage, "the router closed the connection without an answer"
	case at.err != nil:
		e.Cause, e.Words = ioError(at.err)
	default: // an answer that goupnp could not parse
		e.Cause, e.Words = Garbage, "malformed answer: "+line(strings.TrimPrefix(err.Error(), "goupnp: "))
	}
	return e
}
