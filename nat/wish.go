package nat

// term is how long a mapping is requested for.
type term uint8

const (
	forHour     term = iota // lifetime
	forever                 // until it is deleted
	forHalfHour             // for routers that have a low maximum
)

// wish is the form of the request for a port: what may change when a router refuses it. The zero
// value is the first form.
type wish struct {
	term     term
	firm     bool // the router accepts this term only
	repeated bool // the same request was repeated
	any      bool // the router may choose the port
	free     bool // no port is suggested to the router, which chooses one
	same     bool // the external port must be the internal one
	tried    int  // derived ports requested
}

// deniedTries is how many derived ports are requested if a router does not allow the wanted one.
const deniedTries = 1

// after returns the form of the next request after one that was refused with the given cause. ok is
// false if the router can be expected to refuse every other form, too. Routers give codes that do
// not name what they refuse: some answer 402 or 501 to every mapping that ends, or that lasts too
// long. The number of forms is bounded.
func (w wish) after(cause Cause, caps Caps) (next wish, ok bool) {
	next = w
	switch cause {
	case OnlyPermanent:
		next.term, next.firm = forever, true
		return next, w.term != forever
	case Failed:
		if !w.repeated {
			next.repeated = true
			return next, true
		}
		return w.nextTerm()
	case BadArgument, NoMapping: // there is no mapping to miss yet
		return w.nextTerm()
	case PortInUse:
		if caps.Any && !w.any && !w.same {
			next.any = true
			return next, true
		}
		next.tried++
		return next, !w.same && w.tried < portTries
	case Denied:
		next.tried++
		return next, !w.same && w.tried < deniedTries
	case SamePort:
		next.same, next.any, next.free = true, false, false
		return next, !w.same
	case OnlyAnyPort:
		next.any, next.free = true, w.any
		return next, caps.Any && !w.free && !w.same
	case Unsupported:
		// The description promised a call that does not exist.
		next.any, next.free = false, false
		next.tried++
		return next, w.any && w.tried < portTries
	}
	return w, false
}

// nextTerm returns the form with the next term.
func (w wish) nextTerm() (next wish, ok bool) {
	if w.firm || w.term == forHalfHour {
		return w, false
	}
	w.term++
	return w, true
}

// settled returns what to begin with the next time at the same router: what it certainly accepts.
// Another term than an hour is tried again only after a refusal, because the refusal may have had
// another reason, and a mapping that ends is better than one that the router keeps.
func (w wish) settled() wish {
	s := wish{any: w.any && !w.free, free: w.free, same: w.same}
	if w.free {
		s.any = true
	}
	if w.firm {
		s.term, s.firm = w.term, true
	}
	return s
}
