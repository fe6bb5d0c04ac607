package punch

import (
	"net/netip"
	"slices"
	"time"
)

// view is what observers in one part of the world see.
type observations struct {
	list      []observation // one for each destination
	kind      NAT           // Open where it is an address of our own
	confirmed time.Time     // when the observations last said so
}

// observation is what a destination sees, from since to last without a break.
type observation struct {
	by, seen    netip.AddrPort
	was         netip.AddrPort // what it saw before that
	own, near   bool
	since, last time.Time
}

// observer is who is behind a destination: who lies does so from all his ports. Near us, many
// nodes share one address.
func (o observation) observer() netip.AddrPort {
	if o.near {
		return o.by
	}
	return netip.AddrPortFrom(o.by.Addr(), 0)
}

func (o observation) live(now time.Time) bool  { return now.Sub(o.last) <= observationLife }
func (o observation) fresh(now time.Time) bool { return now.Sub(o.last) <= disagreementSpan }

// observers is a set of those.
type observers map[netip.AddrPort]bool

// by gives who is behind the observations for which is holds.
func (s *observations) by(is func(observation) bool) observers {
	set := observers{}
	for _, o := range s.list {
		if is(o) {
			set[o.observer()] = true
		}
	}
	return set
}

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

// forget makes room: of the observer with the most destinations, the oldest goes. Otherwise
// one that comes with port after port would push all others out.
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

// moved drops what others saw that saw the same as a destination did, which now sees us
// elsewhere: our NAT has given us another endpoint. A second observer has to have moved in the
// same way, if there is one, or who changes his story could silence all others.
func (s *observations) moved(now observation) {
	same := s.by(func(o observation) bool { return o.was == now.was && o.seen == now.seen })
	all := s.by(func(observation) bool { return true })
	if len(same) >= min(2, len(all)) {
		s.list = slices.DeleteFunc(s.list, func(o observation) bool { return o.seen == now.was })
	}
}

// leading gives the endpoint that most observers see: most of those of the last minute, if half of
// all are among them, then of all; of several, the one that was seen first. An open node hears
// from few in a minute, where one that lies would be alone.
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

// nat is the kind that was found, for as long as observations hold it.
func (s *observations) nat(now time.Time) NAT {
	if now.Sub(s.confirmed) > observationLife {
		return Unknown
	}
	return s.kind
}

// evidence is what the observations say when they are held together.
type evidence struct {
	own          bool // the leading endpoint is the machine's
	destinations int  // that see it
	agree        int  // observers that see it and nothing else
	// Of the last minute, and not counted unless somebody saw the leading endpoint in that
	// time, too: the destinations that see another one, and the observers behind them.
	others, disagree int
	// crossed is true if both were seen at the same time: one was still seen after the other
	// was. An endpoint that followed on the other is not.
	crossed bool
}

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

// judge settles the kind by the observations. What is settled stays so while they say nothing.
func (s *observations) judge(now time.Time) {
	s.kind = s.nat(now)
	at, _ := s.leading(now) // there is one: something has just been observed
	e := s.weigh(at, now)
	switch {
	case e.others > 0 && e.disagree >= e.agree:
		// From what was settled it takes a second destination that sees another endpoint, or an
		// observer that itself sees several; and both at the same time, as all see
		// another one, one after the other, when the NAT gives us one.
		if settled := s.kind == EndpointIndependent || s.kind == Open; !settled || e.crossed && (e.others >= 2 || e.agree == 0) {
			s.kind, s.confirmed = AddressDependent, now
		}
	case e.own:
		s.kind, s.confirmed = Open, now
	case e.destinations >= 2:
		s.kind, s.confirmed = EndpointIndependent, now
	case s.kind == Open:
		s.kind = Unknown // the address is no longer ours
	}
}
