package head

// leastBack and mostBack are from how far before the head on peers are asked.
const leastBack, mostBack = 3, 192

// nextBack returns from how far before the head on peers are asked next. It grows as long as half of
// what was said has nothing at its beginning that the head's branch has, so that it is found out where the
// branches part. It shrinks when most have what the head's branch has up to its end.
func (e *Election) nextBack() uint64 {
	if e.head == nil {
		if len(e.claims) >= need { // and no block counts
			return min(2*e.back, mostBack)
		}
		return leastBack
	}
	apart, short := 0, 0
	for i := range e.claims {
		c := &e.claims[i]
		switch {
		case len(c.headers) == 0:
			if c.from <= e.head.Number {
				apart++
			}
		case e.isApart(c):
			apart++
		case !c.open && c.end()+behind < e.head.Number:
			short++
		}
	}
	switch n := len(e.claims); {
	case n > 0 && 2*apart >= n:
		return min(2*e.back, mostBack)
	case n > 0 && 2*(apart+short) >= n:
		return e.back
	}
	return leastBack
}

// isApart reports whether a claim begins with another block than the head's branch.
func (e *Election) isApart(c *claim) bool {
	ours, ok := e.branch.hash(c.headers[0].Number)
	return ok && ours != c.headers[0].Hash
}
