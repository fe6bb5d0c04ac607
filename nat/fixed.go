package nat

import (
	"context"
	"net/netip"
)

// addressOnly is the part of a mapper that has no router to map anything. Nobody calls
// these, because Caps says so.
type addressOnly struct{ method Method }

func (a addressOnly) Method() Method { return a.method }
func (a addressOnly) Router() Router { return Router{} }
func (a addressOnly) Caps() Caps     { return Caps{Tells: true} }

// Map implements Mapper.
func (a addressOnly) Map(context.Context, Request) (Mapping, error) { return Mapping{}, a.no() }

// Unmap implements Mapper.
func (a addressOnly) Unmap(context.Context, Mapping) error { return nil }

// Verify implements Mapper.
func (a addressOnly) Verify(context.Context, Mapping) (Mapping, error) { return Mapping{}, a.no() }

func (a addressOnly) no() error {
	return &Error{Method: a.method, Op: "map", Cause: Unsupported, Words: "there is no router to map anything"}
}

// fixedMapper is an address that needs no router: given by the operator, the one that we
// listen on, or a public one of our own.
type fixedMapper struct {
	addressOnly
	ip netip.Addr
}

func newFixed(method Method, ip netip.Addr) *fixedMapper {
	return &fixedMapper{addressOnly{method}, ip}
}

// External implements Mapper.
func (f *fixedMapper) External(context.Context) (Reading, error) { return Reading{IP: f.ip}, nil }
