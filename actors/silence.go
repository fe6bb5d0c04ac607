package actors

import "time"

const (
	// pingInterval is how long nothing may be received, or nothing sent, before
	// a ping goes out.
	pingInterval = 15 * time.Second
	// silenceLimit is how long a remote may send nothing at all.
	silenceLimit = 45 * time.Second
)

// silence is what the pinger looks at, in nanoseconds of the link's time.
type silence struct {
	now          int64
	lastReceived int64
	lastSent     int64
	lastPing     int64 // when a ping was last asked for; 0: never
	heldSince    int64 // our reader is held back since then; 0: it is not
}

// next says what is due and when to look again. While we hold the reader back
// ourselves the remote can't be heard, so its silence does not grow; pings go on.
func (s silence) next() (dead, ping bool, again time.Duration) {
	heard := s.now
	if s.heldSince != 0 {
		heard = s.heldSince
	}
	sinceReceived := time.Duration(heard - s.lastReceived)
	if sinceReceived >= silenceLimit {
		return true, false, 0
	}
	sinceSent := time.Duration(s.now - s.lastSent)
	sincePing := time.Duration(s.now - s.lastPing)
	if s.lastPing == 0 {
		sincePing = time.Duration(s.now)
	}
	quiet := max(sinceReceived, sinceSent)
	if quiet >= pingInterval && sincePing >= pingInterval {
		ping, sincePing = true, 0
	}
	again = max(pingInterval-quiet, pingInterval-sincePing)
	return false, ping, max(time.Millisecond, min(again, silenceLimit-sinceReceived))
}
