package nat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

// igd is what WANIPConnection:1, :2 and WANPPPConnection:1 have in common.
type igd interface {
	AddPortMappingCtx(ctx context.Context, remote string, external uint16, protocol string, internal uint16, client string, enabled bool, description string, seconds uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, external uint16, protocol string) error
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
	GetSpecificPortMappingEntryCtx(ctx context.Context, remote string, external uint16, protocol string) (internal uint16, client string, enabled bool, description string, seconds uint32, err error)
	GetGenericPortMappingEntryCtx(ctx context.Context, index uint16) (remote string, external uint16, protocol string, internal uint16, client string, enabled bool, description string, seconds uint32, err error)
	GetStatusInfoCtx(ctx context.Context) (status, lastError string, uptime uint32, err error)
}

// anyIGD is what WANIPConnection:2 has in addition.
type anyIGD interface {
	AddAnyPortMappingCtx(ctx context.Context, remote string, external uint16, protocol string, internal uint16, client string, enabled bool, description string, seconds uint32) (uint16, error)
}

// upnpMapper speaks UPnP with one connection service of one router.
type upnpMapper struct {
	router      Router
	service     igd
	kind        string // of the service, such as "WANIPConnection:2"
	description string // what the router's own pages show beside our mappings
}

// besides is the time for a question that may stay without an answer: a router that takes
// seconds for each would have us wait too long. Where the question before took so long,
// this one is not asked.
const besides = time.Second

// ask puts such a question, unless the router has been slow since then.
func (u *upnpMapper) ask(ctx context.Context, since time.Time, f func(context.Context)) {
	if time.Since(since) >= besides {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, besides)
	defer cancel()
	f(ctx)
}

// services lists the connection services of a device, the best first.
func services(root *goupnp.RootDevice, h *routerHTTP) (all []*upnpMapper) {
	for _, kind := range []string{internetgateway2.URN_WANIPConnection_2, internetgateway2.URN_WANIPConnection_1, internetgateway2.URN_WANPPPConnection_1} {
		for _, s := range root.Device.FindService(kind) {
			if !s.ControlURL.Ok || len(all) >= maxLocations {
				continue
			}
			c := soap.NewSOAPClient(s.ControlURL.URL)
			c.HTTPClient = h.client()
			client := goupnp.ServiceClient{SOAPClient: c, RootDevice: root, Service: s}
			m := &upnpMapper{kind: kind[strings.LastIndex(kind, ":service:")+len(":service:"):]}
			switch kind {
			case internetgateway2.URN_WANIPConnection_2:
				m.service = &internetgateway2.WANIPConnection2{ServiceClient: client}
			case internetgateway2.URN_WANIPConnection_1:
				m.service = &internetgateway2.WANIPConnection1{ServiceClient: client}
			default:
				m.service = &internetgateway2.WANPPPConnection1{ServiceClient: client}
			}
			all = append(all, m)
		}
	}
	return all
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
		r.IP, err = netip.ParseAddr(text)
		if err != nil {
			return &garbageError{fmt.Errorf("%q is not an address", line(text))}
		}
		r.IP = r.IP.Unmap()
		return nil
	})
	if err != nil {
		return r, err
	}
	// Not all routers tell; those that don't are looked after by other means.
	u.ask(ctx, began, func(ctx context.Context) {
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

// Map implements Mapper. UPnP doesn't say what was granted, so the router is asked
// for the entry; one that said OK and has none is no router for us.
func (u *upnpMapper) Map(ctx context.Context, q Request) (Mapping, error) {
	op := fmt.Sprintf("map %s %d as %d", q.Protocol, q.Internal, q.External)
	m := Mapping{Protocol: q.Protocol, Internal: q.Internal, External: q.External, Lifetime: q.Lifetime, Permanent: q.Lifetime == 0}
	seconds, began := uint32(q.Lifetime/time.Second), time.Now()
	err := u.call(ctx, op, func(ctx context.Context) error {
		any, ok := u.service.(anyIGD)
		if !q.Any || !ok {
			return u.service.AddPortMappingCtx(ctx, "", uint16(q.External), q.Protocol.String(), uint16(q.Internal), u.router.Local.String(), true, u.description, seconds)
		}
		port, err := any.AddAnyPortMappingCtx(ctx, "", uint16(q.External), q.Protocol.String(), uint16(q.Internal), u.router.Local.String(), true, u.description, seconds)
		m.External = ExternalPort(port)
		return err
	})
	if err != nil {
		return Mapping{}, err
	}
	if m.External == 0 {
		return m, nil // the caller refuses it
	}
	u.ask(ctx, began, func(ctx context.Context) {
		entry, verr := u.Verify(ctx, m)
		switch {
		case verr == nil && !m.Permanent && entry.Lifetime > 0:
			m.Lifetime = min(m.Lifetime, entry.Lifetime)
		case causeOf(verr) == NoMapping:
			err = &Error{Method: MethodUPnP, Router: u.router.String(), Op: op, Cause: Refused, Words: "the router said OK, and has no such mapping", Err: verr}
		}
	})
	return m, err
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

// Verify implements Mapper. Lifetime of what it returns is what is left; 0 where the
// router doesn't say.
func (u *upnpMapper) Verify(ctx context.Context, m Mapping) (Mapping, error) {
	op := fmt.Sprintf("look up %s %d", m.Protocol, m.External)
	err := u.call(ctx, op, func(ctx context.Context) error {
		internal, client, enabled, _, seconds, err := u.service.GetSpecificPortMappingEntryCtx(ctx, "", uint16(m.External), m.Protocol.String())
		if err != nil {
			return err
		}
		// Some routers show a host's name where its address should be.
		if ip, perr := netip.ParseAddr(client); perr == nil && ip != u.router.Local || InternalPort(internal) != m.Internal || !enabled {
			return &Error{Method: MethodUPnP, Router: u.router.String(), Op: op, Cause: NoMapping,
				Words: fmt.Sprintf("the router forwards it to %s port %d, enabled: %v", line(client), internal, enabled)}
		}
		m.Lifetime = time.Duration(seconds) * time.Second
		return nil
	})
	return m, err
}

// maxEntries bounds how much of a router's list is read.
const maxEntries = 128

// list gives the router's mappings to us. It ends at the first error, which is how the
// end of the list looks.
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

// call makes one call and gives its error a type.
func (u *upnpMapper) call(ctx context.Context, op string, f func(context.Context) error) error {
	var at failure
	err := f(context.WithValue(ctx, failureKey{}, &at))
	if err == nil {
		return nil
	}
	e := &Error{Method: MethodUPnP, Router: u.router.String(), Op: op, Err: err}
	var fault *soap.SOAPFaultError
	var garbage *garbageError
	switch own := (*Error)(nil); {
	case errors.As(err, &own):
		return own
	case errors.As(err, &fault):
		e.Code = fault.Detail.UPnPError.Errorcode
		e.Cause, e.Words = upnpWords.explain(e.Code, fault.Detail.UPnPError.ErrorDescription)
	case errors.As(err, &garbage), errors.As(at.err, &garbage):
		e.Cause, e.Words = Garbage, garbage.Error()
	case ctx.Err() != nil:
		e.Cause, e.Words = ioError(ctx.Err())
	case at.err != nil && errors.Is(at.err, io.EOF):
		e.Cause, e.Words = Garbage, "the router closed the connection without an answer"
	case at.err != nil:
		e.Cause, e.Words = ioError(at.err)
	default: // what came was no answer that goupnp could read
		e.Cause, e.Words = Garbage, "the answer is garbage: "+line(strings.TrimPrefix(err.Error(), "goupnp: "))
	}
	return e
}
