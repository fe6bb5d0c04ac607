//go:build !linux

package nat

import "errors"

// errNoTable is honest about what is missing: without the routing table there are UPnP,
// which is found by multicast, and the gateways that the operator names.
var errNoTable = errors.New("can't read the routing table of this operating system: PCP and NAT-PMP need the router's address (pcp:IP, pmp:IP)")

func defaultRoutes() ([]route, error) { return nil, errNoTable }
