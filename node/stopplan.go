package node

import (
	"strings"
	"time"
)

// stage is a part of the end of a node. The stages follow each other.
type stage uint8

const (
	doors    stage = iota // admin, listener, dialer, candidates, handshakes: nothing new begins
	links                 // peers
	flushing              // the services of the protocols, side by side
	network               // puncher, discovery, NAT
	files                 // announcer, bans
	numStages
)

// stageEnds is when each stage is over, counted from the beginning of the stop. These are points in
// time, not timeouts, so that neither load nor the number of links or actors adds to them: a stage
// that begins late has less time. Services that ask for nothing end within the third.
var stageEnds = [numStages]time.Duration{
	doors:    time.Second,
	links:    2500 * time.Millisecond,
	flushing: 3000 * time.Millisecond,
	network:  3400 * time.Millisecond, // they get their Leave at the beginning, and take three seconds at most
	files:    stopTime,
}

const (
	// stopTime is what the whole stop takes at most, if no service asks for time.
	stopTime = 4 * time.Second
	// linkTime is when the last socket of a link is closed, counted like stageEnds. The links begin to
	// end at the beginning of the stop, all at once.
	linkTime = 2 * time.Second
)

// stopPlan divides the time in which a node stops. The zero value is that of a node that runs.
type stopPlan struct {
	begin time.Time
	extra time.Duration // for services that asked for more time than the plan has; later stages move by it
}

// end returns when a stage must be over.
func (p *stopPlan) end(s stage) time.Time {
	at := p.begin.Add(stageEnds[s])
	if s >= flushing {
		at = at.Add(p.extra)
	}
	return at
}

// allow moves the end of the services, and all that follows, to the given time if that is later.
func (p *stopPlan) allow(until time.Time) {
	p.extra += max(0, until.Sub(p.end(flushing)))
}

// share returns how long a child of a stage may take to stop, from now on: what is left of the stage, or
// half of it if others of the stage are stopped only after that child.
func (p *stopPlan) share(s stage, othersFollow bool, now time.Time) time.Duration {
	left := max(0, p.end(s).Sub(now))
	if othersFollow {
		return left / 2
	}
	return left
}

// stageOf returns the stage in which the root stops a child of this name.
func stageOf(name string) stage {
	switch name {
	case peersName:
		return links
	case puncherName, discoveryName, natName:
		return network
	case announcerName, bansName:
		return files
	}
	if strings.HasPrefix(name, servicePrefix) {
		return flushing
	}
	return doors
}
