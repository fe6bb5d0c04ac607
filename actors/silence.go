package actors

import "time"

const (
	// pingInterval is how long nothing may be received, or nothing sent, before a ping is sent.
	pingInterval = 15 * time.Second
	// silenceLimit is how long a remote may send nothing.
	silenceLimit = 45 * time.Second
)

// silence is the pinger's input, in nanoseconds of the link's time.
type silence struct {
	now          int64
	lastReceived int64
	lastSent     int64
	lastPing     int64 // when a ping was last requested; 0: never
	heldSince    int64 // since when our reader is paused; 0: it is not
}

// next returns what is due and when to check again. While our own reader is paused, nothing can
// be received, so the remote's silence does not grow; pings continue.
func (s silence) next() (dead, ping bool, again time.Duration) {
	until := s.now
	if s.heldSince != 0 {
		until = s.heldSince
	}
	sinceReceived := time.Duration(until - s.lastReceived)
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
