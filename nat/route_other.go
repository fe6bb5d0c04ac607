//go:build !linux

package nat

import "errors"

// errNoTable reports that the routing table is unavailable. Without it, only UPnP works, which
// finds routers by multicast, and gateways that the operator names.
var errNoTable = errors.New("reading the routing table is not supported on this operating system: PCP and NAT-PMP need the router's address (pcp:IP, pmp:IP)")

func defaultRoutes() ([]route, error) { return nil, errNoTable }
