package nat

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// backoff is a wait that doubles up to a cap.
type backoff struct{ first, cap time.Duration }

// after returns the wait after the given number of failures in a row (1 or more). It is shortened
// by up to a quarter at random so that nodes behind one router do not retry at the same time.
// random is from [0,1).
func (b backoff) after(failures int, random float64) time.Duration {
	d := b.first
	for range failures - 1 {
		if d *= 2; d >= b.cap {
			d = b.cap
			break
		}
	}
	return d - time.Duration(random*float64(d)/4)
}

// minPort is the lowest derived port.
const minPort = 1024

// derivedPort returns the n-th alternative port of a node. A node whose wanted port is taken always
// requests the same few ports; random choices would fill up the router's table.
func derivedPort(node [32]byte, n int) ExternalPort {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(node[:], uint64(n)))
	return ExternalPort(minPort + binary.BigEndian.Uint64(h[:])%(65536-minPort))
}
