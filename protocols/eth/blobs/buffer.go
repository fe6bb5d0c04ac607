package blobs

// The buffer is counted in bytes, for each peer: what it has sent, and what it was asked for. A peer may
// have its share of it. Beyond the whole, the peer that holds most loses its oldest transaction, so that
// peers whose transactions never become whole can't keep out others.

// overhead is what a body takes beside its encoding in bytes: some kilobytes of structs.
const overhead = 4 << 10

// room makes room for bytes of a peer, and reports whether there is.
func (f *Fetcher[P]) room(p *peer[P], bytes int) bool {
	if p.bytes+bytes > f.cfg.Share {
		return false
	}
	for f.used+bytes > f.cfg.Bytes {
		if !f.evict(p, p.bytes+bytes) {
			return false
		}
	}
	return true
}

// evict drops the oldest transaction of the peer that holds most, if that is another peer, and holds more
// than so many bytes.
func (f *Fetcher[P]) evict(p *peer[P], bytes int) bool {
	var most *peer[P]
	for other := range f.holders {
		if most == nil || other.bytes > most.bytes {
			most = other
		}
	}
	if most == nil || most == p || most.bytes <= bytes {
		return false
	}
	var oldest *item[P]
	for it := range most.held {
		if oldest == nil || it.seq < oldest.seq {
			oldest = it
		}
	}
	f.drop(oldest, &f.counters.Evicted)
	return true
}

// hold enters bytes that a peer has sent of a transaction, and reports whether there is room for them.
func (f *Fetcher[P]) hold(p *peer[P], it *item[P], bytes int) bool {
	if !f.room(p, bytes) || it.gone {
		return false
	}
	p.held[it] += bytes
	p.bytes += bytes
	f.used += bytes
	f.holders[p] = struct{}{}
	return true
}

func (f *Fetcher[P]) release(p *peer[P], it *item[P], bytes int) {
	if p.held[it] -= bytes; p.held[it] == 0 {
		delete(p.held, it)
	}
	if len(p.held) == 0 {
		delete(f.holders, p)
	}
	f.free(p, bytes)
}

// reserve enters bytes that a peer is asked for, if there is room for them.
func (f *Fetcher[P]) reserve(p *peer[P], bytes int) bool {
	if !f.room(p, bytes) {
		return false
	}
	p.bytes += bytes
	f.used += bytes
	return true
}

// free has the peers looked at that found no room.
func (f *Fetcher[P]) free(p *peer[P], bytes int) {
	p.bytes -= bytes
	f.used -= bytes
	for _, p := range f.turns {
		if p.blocked {
			p.blocked, p.changed = false, true
		}
	}
}
