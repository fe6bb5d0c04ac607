package actors

import (
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

const (
	// pingInterval is how long nothing may be received, or nothing sent, before a ping is sent.
	pingInterval = 15 * time.Second
	// silenceLimit is how long a remote may send nothing.
	silenceLimit = 45 * time.Second
	// resumeLimit is how long a remote has for its answer to a ping after this node did not run
	// for a time.
	resumeLimit = supervise.Grace
)

// silence is the pinger's input, in nanoseconds of the link's time.
type silence struct {
	now          int64
	lastReceived int64
	lastSent     int64
	lastPing     int64 // when a ping was last requested; 0: never
	pingSent     int64 // when the ping that waits for its pong was written; 0: none
	heldSince    int64 // since when our reader is paused; 0: it is not
	frameSince   int64 // when the frame began that is not complete; 0: there is none
	resumed      int64 // when this node ran again, after it did not run for a time; 0: never
	probe        bool  // a ping is wanted now
}

// next returns what is due and when to check again; dead is the error of a link that ends. While
// our own reader is paused, nothing can be received, so the remote's silence does not grow; pings
// continue. The reader checks the age of a frame when more of it arrives, next when nothing does.
func (s silence) next() (ping bool, again time.Duration, dead error) {
	if s.resumed > s.lastReceived && s.heldSince == 0 {
		return s.afterStall()
	}
	until := s.now
	if s.heldSince != 0 {
		until = s.heldSince
	}
	sinceReceived := time.Duration(until - s.lastReceived)
	left := silenceLimit - sinceReceived
	if s.frameSince != 0 {
		age := time.Duration(until - s.frameSince)
		if age >= frameTimeout {
			return false, 0, ErrSlowFrame
		}
		left = min(left, frameTimeout-age)
	}
	if left <= 0 {
		return false, 0, ErrPingTimeout
	}
	sinceSent := time.Duration(s.now - s.lastSent)
	sincePing := time.Duration(s.now - s.lastPing)
	if s.lastPing == 0 {
		sincePing = time.Duration(s.now)
	}
	quiet := max(sinceReceived, sinceSent)
	if quiet >= pingInterval && sincePing >= pingInterval || s.probe {
		ping, sincePing = true, 0
	}
	again = max(pingInterval-quiet, pingInterval-sincePing)
	return ping, max(time.Millisecond, min(again, left)), nil
}

// afterStall is next for a remote of which nothing was received since this node runs again. Its
// silence may be this node's own: what it sent may have been lost meanwhile, and it is asked once.
func (s silence) afterStall() (ping bool, again time.Duration, dead error) {
	if s.lastPing < s.resumed {
		return true, resumeLimit, nil
	}
	wait := resumeLimit - time.Duration(s.now-s.pingSent)
	if s.pingSent < s.lastPing { // other messages are being written before it
		wait = min(resumeLimit, silenceLimit-time.Duration(s.now-s.resumed))
	}
	if wait <= 0 {
		return false, 0, ErrPingTimeout
	}
	return false, wait, nil
}
