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
	frameSince   int64 // when the frame began that is not complete; 0: there is none
}

// next returns what is due and when to check again; dead is the error of a link that ends. While
// our own reader is paused, nothing can be received, so the remote's silence does not grow; pings
// continue. The reader checks the age of a frame when more of it arrives, next when nothing does.
func (s silence) next() (dead error, ping bool, again time.Duration) {
	until := s.now
	if s.heldSince != 0 {
		until = s.heldSince
	}
	sinceReceived := time.Duration(until - s.lastReceived)
	left := silenceLimit - sinceReceived
	if s.frameSince != 0 {
		age := time.Duration(until - s.frameSince)
		if age >= frameTimeout {
			return ErrSlowFrame, false, 0
		}
		left = min(left, frameTimeout-age)
	}
	if left <= 0 {
		return ErrPingTimeout, false, 0
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
	return nil, ping, max(time.Millisecond, min(again, left))
}
