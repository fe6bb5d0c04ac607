package protocols

import (
	"fmt"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/wire"
)

// Mounted is a Spec as one node runs it, made by [Mount]. It is for programs that build nodes;
// protocols do not need it.
type Mounted struct {
	Spec Spec
	// Offers are the protocols that the node offers and its links run, one for each version.
	Offers []actors.Protocol

	service *service // nil without a service
}

// Mount checks Specs and prepares what a node needs to run them, in the same order. Each node
// must call Mount itself.
func Mount(specs ...Spec) ([]*Mounted, error) {
	var mounted []*Mounted
	names := map[string]bool{}
	for _, s := range specs {
		if err := s.Check(); err != nil {
			return nil, err
		}
		if names[s.Name] {
			return nil, fmt.Errorf("protocol %s: two Specs of that name", s.Name)
		}
		names[s.Name] = true
		mounted = append(mounted, mount(s))
	}
	if err := CheckFlags(nil, specs...); err != nil {
		return nil, err
	}
	return mounted, nil
}

func mount(s Spec) *Mounted {
	m := &Mounted{Spec: s}
	if s.Service != nil || s.Provision != nil {
		m.service = &service{name: s.Name, produce: s.Service}
	}
	for _, v := range s.Versions {
		m.Offers = append(m.Offers, m.offer(v))
	}
	return m
}

func (m *Mounted) offer(v Version) actors.Protocol {
	s := &m.Spec
	set := newMessageSet(wire.Cap{Name: s.Name, Version: v.Number}.String(), v)
	limits := s.Limits.withDefaults()
	return actors.Protocol{
		Name: s.Name, Version: v.Number, Length: v.Length,
		Restart: s.Restart, Intensity: s.Intensity,
		Budget: limits.Inbound, OutboxLimit: limits.Outbox, HighWater: limits.HighWater,
		Urgent:  set.urgent(),
		MaxSize: set.maxSizes(),
		Mount: func(h *actors.Host) func() actors.Behaviour {
			link := newLink(h, set, s, v.Handshake)
			if link.service = m.service; s.Service != nil {
				link.onward = &onward{limit: limits.Inbound}
			}
			h.Attach(link.Shared())
			m.service.enter(link.Shared())
			return func() actors.Behaviour { return &behaviour{link: link, produce: s.New} }
		},
	}
}
