//go:build !linux

package torture

import (
	"net"
	"net/netip"
)

// processOf returns zero: this system does not say which process serves a socket.
func processOf(*net.UnixConn) (process, error) { return process{}, nil }

// has checks that an address is one of this machine.
func (process) has(addr netip.Addr) error {
	local, err := ownAddrs()
	if err != nil {
		return err
	}
	return refuseForeign(addr, local, true)
}

// resident returns false: there is no /proc.
func (process) resident() (bytes int, ok bool) { return 0, false }
