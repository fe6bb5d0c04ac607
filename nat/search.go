package nat

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Found is one router and method that answered a search, for people and for JSON.
type Found struct {
	Method   Method       `json:"method"`
	Kind     string       `json:"kind,omitempty"` // of the UPnP service
	Router   Router       `json:"router"`
	External netip.Addr   `json:"external,omitzero"`  // invalid if the method reports it only with a mapping
	Other    netip.Addr   `json:"other,omitzero"`     // of the other family; only a name has one
	Warning  string       `json:"warning,omitempty"`  // why the address is not usable
	Error    string       `json:"error,omitempty"`    // the router's error, if it returned no address
	Mappings []PortStatus `json:"mappings,omitempty"` // to this host, if the router has a list
}

// Search searches for routers with every method that spec allows, and queries each router's address
// and mappings. It makes no mapping. It takes about three seconds, longer with slow routers, and
// ends with ctx. The errors are those of the search itself. If port mapping is disabled, Search
// returns nothing.
func Search(ctx context.Context, spec Spec) ([]Found, []error) {
	if spec.Off {
		return nil, nil
	}
	var mu sync.Mutex
	var all []Found
	var wait sync.WaitGroup
	crashes := make(chan error, 1)
	guarded := func(f func()) {
		go func() {
			defer func() {
				if v := recover(); v != nil {
					select {
					case crashes <- fmt.Errorf("search crashed: %v", v):
					default:
					}
				}
			}()
			f()
		}()
	}
	f := newFinder(spec, netip.Addr{}, [32]byte{}, "")
	problems := f.find(ctx, guarded, func(m Mapper) {
		wait.Add(1)
		guarded(func() {
			defer wait.Done()
			one := examine(ctx, m)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, one)
		})
	})
	wait.Wait()
	select {
	case err := <-crashes:
		problems = append(problems, err)
	default:
	}
	return all, problems
}

// examine queries one router's address and mappings.
func examine(ctx context.Context, m Mapper) Found {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	f := Found{Method: m.Method(), Router: m.Router()}
	r, err := m.External(ctx)
	switch {
	case err != nil:
		f.Error = err.Error()
	case m.Caps().Tells:
		if !r.IP.IsUnspecified() {
			f.External, f.Other = r.IP, r.Other
		}
		if m.Method() != MethodFixed {
			f.Warning = doubleNAT(r.IP)
		}
	}
	u, ok := m.(*upnpMapper)
	if !ok {
		return f
	}
	f.Kind = u.kind
	for _, entry := range u.list(ctx) {
		p := PortStatus{Protocol: entry.Protocol.String(), Internal: entry.Internal, External: entry.External, Permanent: entry.Permanent}
		if !entry.Permanent {
			p.Ends = time.Now().Add(entry.Lifetime)
		}
		f.Mappings = append(f.Mappings, p)
	}
	return f
}
