package discovery

import (
	"crypto/ecdsa"
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// refillEvery is the interval of checks for an empty node table. The library drops a node that
	// misses one ping of its first few, and refills an empty table with the bootnodes only in a search,
	// or after up to half an hour. A node that needs no candidates does not search. In a small network
	// no other node could find it until then.
	refillEvery = 20 * time.Second
	// refillTime limits a search on v5 that refills its table.
	refillTime = 15 * time.Second
)

// armRefill schedules the next check.
func (a *finder) armRefill() {
	s := a.session
	a.refill = a.Clock.AfterFunc(refillEvery, func() { a.send(&refill{session: s}) })
}

// refillTables refills the tables that are empty, in a goroutine.
func (a *finder) refillTables(msg *refill) {
	if msg.session != a.session {
		return
	}
	a.spawn(func() {
		msg.session.refill(a.Key, a.Clock)
		a.send(&refilled{session: msg.session})
	})
}

func (a *finder) refilled(msg *refilled) {
	if msg.session == a.session {
		a.armRefill()
	}
}

// refill makes the library refill each empty table with the bootnodes and the nodes of its
// database. It blocks for as long as the searches take, or until the session is closed.
func (s *session) refill(key *ecdsa.PrivateKey, clock supervise.Clock) {
	if s.v4 != nil && tableOf(s.v4.TableBuckets()).Nodes == 0 {
		s.v4.LookupPubkey(&key.PublicKey)
	}
	if s.v5 != nil && tableOf(s.v5.Nodes()).Nodes == 0 {
		it := s.v5.RandomNodes() // v5's Lookup refills no table
		timer := clock.AfterFunc(refillTime, it.Close)
		it.Next()
		timer.Stop()
		it.Close()
	}
}
