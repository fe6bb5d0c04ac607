package punch

import (
	"net/netip"
	"slices"
	"time"
)

// view is what observers in one part of the world see.
type view struct {
	seen []observation // one for each destination
	kind NAT           // Open where it is an address of our own
	held time.Time     // when the observations last said so
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
func (v *view) by(is func(observation) bool) observers {
	set := observers{}
	for _, o := range v.seen {
		if is(o) {
			set[o.observer()] = true
		}
	}
	return set
}

func (v *view) observe(o observation, now time.Time) {
	v.seen = slices.DeleteFunc(v.seen, func(old observation) bool { return !old.live(now) })
	i := slices.IndexFunc(v.seen, func(old observation) bool { return old.by == o.by })
	switch {
	case i < 0:
		if len(v.seen) >= maxDestinations {
			v.forget()
		}
		v.seen = append(v.seen, o)
	case v.seen[i].seen == o.seen:
		v.seen[i].last, v.seen[i].own = now, o.own
	default:
		o.was = v.seen[i].seen
		v.seen[i] = o
		v.moved(o)
	}
	v.judge(now)
}

// forget makes room: of the observer with the most destinations, the oldest goes. Otherwise
// one that comes with port after port would push all others out.
func (v *view) forget() {
	count := map[netip.AddrPort]int{}
	for _, o := range v.seen {
		count[o.observer()]++
	}
	worst := 0
	for i, o := range v.seen {
		a, b := count[o.observer()], count[v.seen[worst].observer()]
		if a > b || a == b && o.last.Before(v.seen[worst].last) {
			worst = i
		}
	}
	v.seen = slices.Delete(v.seen, worst, worst+1)
}

// moved drops what others saw that saw the same as a destination did, which now sees us
// elsewhere: our NAT has given us another endpoint. A second observer has to have moved in the
// same way, if there is one, or who changes his story could silence all others.
func (v *view) moved(now observation) {
	same := v.by(func(o observation) bool { return o.was == now.was && o.seen == now.seen })
	all := v.by(func(observation) bool { return true })
	if len(same) >= min(2, len(all)) {
		v.seen = slices.DeleteFunc(v.seen, func(o observation) bool { return o.seen == now.was })
	}
}

// leading gives the endpoint that most observers see: most of those of the last minute, if half of
// all are among them, then of all; of several, the one that was seen first. An open node hears
// from few in a minute, where one that lies would be alone.
func (v *view) leading(now time.Time) (at netip.AddrPort, ok bool) {
	type votes struct {
		fresh, live int
		since       time.Time
	}
	fresh, live := v.by(func(o observation) bool { return o.fresh(now) }), v.by(func(o observation) bool { return o.live(now) })
	quorum := 2*len(fresh) >= len(live)
	var best votes
	for _, candidate := range v.seen {
		is := func(o observation) bool { return o.seen == candidate.seen && o.live(now) }
		mine := votes{live: len(v.by(is)), since: candidate.since}
		if quorum {
			mine.fresh = len(v.by(func(o observation) bool { return is(o) && o.fresh(now) }))
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
func (v *view) nat(now time.Time) NAT {
	if now.Sub(v.held) > observationLife {
		return Unknown
	}
	return v.kind
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

func (v *view) weigh(at netip.AddrPort, now time.Time) (e evidence) {
	leads := func(o observation) bool { return o.seen == at && o.live(now) }
	dissents := func(o observation) bool { return o.seen != at && o.fresh(now) }
	agree := v.by(leads)
	disagree := v.by(dissents)
	recent := false
	for _, o := range v.seen {
		switch {
		case leads(o):
			e.destinations++
			e.own = e.own || o.own
			recent = recent || o.fresh(now)
			for _, other := range v.seen {
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
func (v *view) judge(now time.Time) {
	v.kind = v.nat(now)
	at, _ := v.leading(now) // there is one: something has just been observed
	e := v.weigh(at, now)
	switch {
	case e.others > 0 && e.disagree >= e.agree:
		// From what was settled it takes a second destination that sees another endpoint, or an
		// observer that itself sees several; and both at the same time, as all see
		// another one, one after the other, when the NAT gives us one.
		if settled := v.kind == EndpointIndependent || v.kind == Open; !settled || e.crossed && (e.others >= 2 || e.agree == 0) {
			v.kind, v.held = AddressDependent, now
		}
	case e.own:
		v.kind, v.held = Open, now
	case e.destinations >= 2:
		v.kind, v.held = EndpointIndependent, now
	case v.kind == Open:
		v.kind = Unknown // the address is no longer ours
	}
}
