package punch

import (
	"net/netip"
	"slices"
	"time"
)

// observations is what the observers in one part of the network see, such as the IPv4 Internet.
type observations struct {
	list      []observation // one for each destination
	kind      NAT           // Open if the endpoint has an address of the machine
	confirmed time.Time     // when the observations last supported kind
}

// observation is the endpoint that a destination sees, without a change from since to last.
type observation struct {
	by, seen    netip.AddrPort
	was         netip.AddrPort // the endpoint that it saw before
	own, near   bool
	since, last time.Time
}

// observer identifies the observer at a destination by its address alone, because a liar can use all its
// ports. In private networks, many nodes share one address, so there the port counts.
func (o observation) observer() netip.AddrPort {
	if o.near {
		return o.by
	}
	return netip.AddrPortFrom(o.by.Addr(), 0)
}

func (o observation) live(now time.Time) bool  { return now.Sub(o.last) <= observationLife }
func (o observation) fresh(now time.Time) bool { return now.Sub(o.last) <= disagreementSpan }

// observers is a set of observers.
type observers map[netip.AddrPort]bool

// by returns the observers of those observations for which is returns true.
func (s *observations) by(is func(observation) bool) observers {
	set := observers{}
	for _, o := range s.list {
		if is(o) {
			set[o.observer()] = true
		}
	}
	return set
}

// observe adds an observation, or updates the one of the same destination.
func (s *observations) observe(o observation, now time.Time) {
	s.list = slices.DeleteFunc(s.list, func(old observation) bool { return !old.live(now) })
	i := slices.IndexFunc(s.list, func(old observation) bool { return old.by == o.by })
	switch {
	case i < 0:
		if len(s.list) >= maxDestinations {
			s.makeRoom()
		}
		s.list = append(s.list, o)
	case s.list[i].seen == o.seen:
		s.list[i].last, s.list[i].own = now, o.own
	default:
		o.was = s.list[i].seen
		s.list[i] = o
		s.moved(o)
	}
	s.judge(now)
}

// makeRoom removes the oldest observation of the observer with the most destinations. Otherwise one
// observer could push out all others by using port after port.
func (s *observations) makeRoom() {
	count := map[netip.AddrPort]int{}
	for _, o := range s.list {
		count[o.observer()]++
	}
	worst := 0
	for i, o := range s.list {
		a, b := count[o.observer()], count[s.list[worst].observer()]
		if a > b || a == b && o.last.Before(s.list[worst].last) {
			worst = i
		}
	}
	s.list = slices.Delete(s.list, worst, worst+1)
}

// moved drops the observations of the endpoint that a destination no longer sees, because the NAT has
// assigned another one. If there is more than one observer, two must have seen the same change; otherwise
// one liar could silence all others by changing what it says.
func (s *observations) moved(now observation) {
	same := s.by(func(o observation) bool { return o.was == now.was && o.seen == now.seen })
	all := s.by(func(observation) bool { return true })
	if len(same) >= min(2, len(all)) {
		s.list = slices.DeleteFunc(s.list, func(o observation) bool { return o.seen == now.was })
	}
}

// leading returns the endpoint that most observers see. Those of the last minute count first, if they are at
// least half of all; then all count. Of several endpoints the one that was seen first wins. The condition is
// for open nodes: they receive few observations in a minute, among which a liar could be alone.
func (s *observations) leading(now time.Time) (at netip.AddrPort, ok bool) {
	type votes struct {
		fresh, live int
		since       time.Time
	}
	fresh, live := s.by(func(o observation) bool { return o.fresh(now) }), s.by(func(o observation) bool { return o.live(now) })
	quorum := 2*len(fresh) >= len(live)
	var best votes
	for _, candidate := range s.list {
		is := func(o observation) bool { return o.seen == candidate.seen && o.live(now) }
		mine := votes{live: len(s.by(is)), since: candidate.since}
		if quorum {
			mine.fresh = len(s.by(func(o observation) bool { return is(o) && o.fresh(now) }))
		}
		if mine.live == 0 {
			continue
		}
		switch {
		case mine.fresh != best.fresh:
			ok = mine.fresh > best.fresh
		case mine.live != best.live:
			ok = mine.live > best.live
		default:
			ok = mine.since.Before(best.since)
		}
		if ok {
			at, best = candidate.seen, mine
		}
	}
	return at, at.IsValid()
}

// nat returns the kind of NAT, or Unknown if no observation has supported it for observationLife.
func (s *observations) nat(now time.Time) NAT {
	if now.Sub(s.confirmed) > observationLife {
		return Unknown
	}
	return s.kind
}

// evidence is a summary of the observations, relative to the leading endpoint.
type evidence struct {
	own          bool // the leading endpoint has an address of the machine
	destinations int  // that see the leading endpoint
	agree        int  // observers that see it and no other one
	// others are the destinations that saw another endpoint in the last minute, and disagree their
	// observers. They count only if the leading endpoint was seen in that time, too.
	others, disagree int
	// crossed is true if two endpoints were seen at the same time: one was still seen after the other
	// one was. It is false if one endpoint replaced the other.
	crossed bool
}

// weigh summarises the observations relative to an endpoint.
func (s *observations) weigh(at netip.AddrPort, now time.Time) (e evidence) {
	leads := func(o observation) bool { return o.seen == at && o.live(now) }
	dissents := func(o observation) bool { return o.seen != at && o.fresh(now) }
	agree := s.by(leads)
	disagree := s.by(dissents)
	recent := false
	for _, o := range s.list {
		switch {
		case leads(o):
			e.destinations++
			e.own = e.own || o.own
			recent = recent || o.fresh(now)
			for _, other := range s.list {
				e.crossed = e.crossed || o.fresh(now) && dissents(other) && !o.last.Before(other.since) && !other.last.Before(o.since)
			}
		case dissents(o):
			e.others++
			delete(agree, o.observer())
		}
	}
	e.agree, e.disagree = len(agree), len(disagree)
	if !recent {
		e.others, e.disagree = 0, 0
	}
	return e
}

// judge decides on the kind of NAT. The kind does not change while the observations are inconclusive.
func (s *observations) judge(now time.Time) {
	s.kind = s.nat(now)
	at, _ := s.leading(now) // valid, because an observation has just been added
	e := s.weigh(at, now)
	switch {
	case e.others > 0 && e.disagree >= e.agree:
		// To change a decision, a second destination must see another endpoint, or one observer must
		// see several. They must do so at the same time: when the NAT assigns a new endpoint, all
		// destinations see another one, one after the other.
		if decided := s.kind == EndpointIndependent || s.kind == Open; !decided || e.crossed && (e.others >= 2 || e.agree == 0) {
			s.kind, s.confirmed = AddressDependent, now
		}
	case e.own:
		s.kind, s.confirmed = Open, now
	case e.destinations >= 2:
		s.kind, s.confirmed = EndpointIndependent, now
	case s.kind == Open:
		s.kind = Unknown // the machine no longer has the address
	}
}
