package actors

import (
	"time"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/wire"
)

// content returns what a message with this payload and this claimed size delivers, and the buffer
// that has it.
func (p *pump) content(payload []byte, size int) ([]byte, *buffer, error) {
	if !p.link.snappy {
		return payload, p.buf, nil
	}
	if plain, ok := wire.Literal(payload); ok {
		return plain, p.buf, nil
	}
	decompress := p.decompress
	if excessOf(len(payload), size) > 0 {
		decompress = p.decompressInSteps
	}
	plain, err := decompress(payload, size)
	return plain, p.arena, err
}

// decompress decompresses a payload into the arena.
func (p *pump) decompress(payload []byte, size int) ([]byte, error) {
	if err := p.reserve(size); err != nil {
		return nil, err
	}
	plain, err := wire.Decompress(p.arena.b[p.used:p.used:p.used+size], payload)
	if err == nil {
		p.used += size
	}
	return plain, err
}

// decompressInSteps is decompress for a payload with excess; the caller has waited for its allowance. One link of the node does it at a
// time, at the node's pace. It takes the memory only when its turn has come, so that the links
// that wait for theirs hold none.
func (p *pump) decompressInSteps(payload []byte, size int) ([]byte, error) {
	e := &p.link.pool.expansion
	if err := p.waitForTurn(e); err != nil {
		return nil, err
	}
	defer e.endTurn()
	if err := p.reserve(size); err != nil {
		return nil, err
	}
	steps, err := wire.NewDecompression(p.arena.b[p.used:p.used:p.used+size], payload)
	if err != nil {
		return nil, err
	}
	excess := excessOf(len(payload), size)
	for left := size; ; left -= expansionStep {
		share := excess * int64(min(left, expansionStep)) / int64(size)
		if err := p.waitFor(&e.pace, share); err != nil {
			return nil, err
		}
		plain, err := steps.Step(expansionStep)
		if plain != nil {
			p.used += size
		}
		if plain != nil || err != nil {
			return plain, err
		}
		supervise.Yield()
	}
}

// waitForTurn waits until no other link of the node decompresses in steps.
func (p *pump) waitForTurn(e *expansion) error {
	if e.tryTurn() {
		return nil
	}
	defer p.hold(heldForAllowance)()
	select {
	case e.turn <- struct{}{}:
		return nil
	case <-p.link.context().Done():
		return errClosing
	}
}

// waitForAllowance waits until the link may have that much more excess. It posts the messages
// opened so far, which need not wait.
func (p *pump) waitForAllowance(excess int64) error {
	if excess == 0 {
		return nil
	}
	p.post()
	return p.waitFor(&p.allowance, excess)
}

// waitFor waits until a bucket has n bytes, and takes them.
func (p *pump) waitFor(b *bucket, n int64) error {
	l := p.link
	wait := b.take(n, l.clock.Now())
	if wait == 0 {
		return nil
	}
	defer p.hold(heldForAllowance)()
	for wait > 0 {
		if err := p.pause(wait); err != nil {
			return err
		}
		wait = b.take(n, l.clock.Now())
	}
	return nil
}

// pause waits for that time, or until the link ends.
func (p *pump) pause(d time.Duration) error {
	over := make(chan struct{})
	timer := p.link.clock.AfterFunc(d, func() { close(over) })
	select {
	case <-over:
		return nil
	case <-p.link.context().Done():
		timer.Stop()
		return errClosing
	}
}
