package nat

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// backoff is a wait that doubles up to a cap.
type backoff struct{ first, cap time.Duration }

// after is the wait after so many failures in a row (1 or more), shortened by up to a
// quarter at random so that nodes behind one router do not march in step. random is
// from [0,1).
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

// minPort is the lowest port that we ask for by ourselves.
const minPort = 1024

// derivedPort is the n-th port that belongs to a node: where the one that it wants is
// taken it always asks for the same few others, so that a router's table doesn't
// fill up with what a random choice would leave there.
func derivedPort(node [32]byte, n int) ExternalPort {
	h := sha256.Sum256(binary.BigEndian.AppendUint64(node[:], uint64(n)))
	return ExternalPort(minPort + binary.BigEndian.Uint64(h[:])%(65536-minPort))
}
