package nat

import (
	"context"
	"net/netip"
)

// addressOnly is the part of a mapper without a router. Map and Verify are never called, because
// Caps excludes them.
type addressOnly struct{ method Method }

func (a addressOnly) Method() Method { return a.method }
func (a addressOnly) Router() Router { return Router{} }
func (a addressOnly) Caps() Caps     { return Caps{Tells: true} }

// Map implements Mapper.
func (a addressOnly) Map(context.Context, Request) (Mapping, error) {
	return Mapping{}, a.unsupported()
}

// Unmap implements Mapper.
func (a addressOnly) Unmap(context.Context, Mapping) error { return nil }

// Verify implements Mapper.
func (a addressOnly) Verify(context.Context, Mapping) (Mapping, error) {
	return Mapping{}, a.unsupported()
}

func (a addressOnly) unsupported() error {
	return &Error{Method: a.method, Op: "map", Cause: Unsupported, Words: "there is no router that could map a port"}
}

// fixedMapper is an address that needs no router: set by the operator, the one listening address,
// or a public address of an interface.
type fixedMapper struct {
	addressOnly
	ip netip.Addr
}

func newFixed(method Method, ip netip.Addr) *fixedMapper {
	return &fixedMapper{addressOnly{method}, ip}
}

// External implements Mapper.
func (f *fixedMapper) External(context.Context) (Reading, error) { return Reading{IP: f.ip}, nil }
