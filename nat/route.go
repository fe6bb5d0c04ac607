package nat

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// parseRoutes parses the default routes in Linux's /proc/net/route, the preferred ones first. Its
// columns are: interface, destination, gateway, flags, reference count, use, metric, mask, …;
// addresses are in hexadecimal, in the byte order of the machine.
func parseRoutes(table string) (routes []route) {
	const up, viaGateway = 1, 2
	for text := range strings.Lines(table) {
		f := strings.Fields(text)
		if len(f) < 8 {
			continue
		}
		destination, err1 := strconv.ParseUint(f[1], 16, 32)
		gateway, err2 := strconv.ParseUint(f[2], 16, 32)
		flags, err3 := strconv.ParseUint(f[3], 16, 16)
		metric, err4 := strconv.Atoi(f[6])
		mask, err5 := strconv.ParseUint(f[7], 16, 32)
		if cmp.Or(err1, err2, err3, err4, err5) != nil {
			continue // for example the heading
		}
		if destination != 0 || mask != 0 || gateway == 0 || flags&(up|viaGateway) != up|viaGateway {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(gateway))
		routes = append(routes, route{device: f[0], gateway: netip.AddrFrom4(b), metric: metric})
	}
	slices.SortStableFunc(routes, func(a, b route) int { return a.metric - b.metric })
	return routes
}
