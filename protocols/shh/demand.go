package shh

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// DefaultMinPoW is the default minimum PoW of accepted envelopes.
const DefaultMinPoW = 0.2

// Limits of the size of an envelope and of a link's message, in bytes.
const (
	DefaultMaxMessageSize = 1 << 20
	MaxMessageSize        = 10 << 20
)

const (
	// syncAllowance is the permitted difference between clocks, and the time for which a
	// remote may still follow this node's former demand. In seconds.
	syncAllowance = 10
	// expiredAllowance is how long ago an envelope may have expired without ending the
	// link, in seconds.
	expiredAllowance = 2 * syncAllowance
)

// Errors of envelopes that no honest node sends. Each ends the link.
var (
	ErrFromFuture  = errors.New("envelope from the future")
	ErrLongExpired = errors.New("envelope that expired long ago")
	ErrOversized   = errors.New("larger than the limit")
	ErrTooLowPoW   = errors.New("too low PoW")
	ErrNotAskedFor = errors.New("envelope does not match the bloom filter")
)

// errExpired is the error of an envelope that took too long to arrive. No node is to blame,
// so it doesn't end the link.
var errExpired = errors.New("envelope has expired")

// demand is a node's demand on envelopes from its peers. It has no lock; its owner guards
// it.
type demand struct {
	minPoW  float64
	bloom   Bloom
	maxSize int
	former  []former
}

// former is a former demand that remotes may still follow, because the new one may not
// have reached them.
type former struct {
	minPoW float64
	bloom  Bloom
	until  time.Time
}

// remember adds the current demand to the former ones. It is called before a change.
func (d *demand) remember(now time.Time) {
	d.forget(now)
	if len(d.former) == maxFormer {
		// Too many changes in a short time: merge the two oldest into one that allows what
		// either allowed.
		first, second := d.former[0], &d.former[1]
		second.minPoW = min(first.minPoW, second.minPoW)
		second.bloom = first.bloom.Or(second.bloom)
		d.former = append(d.former[:0], d.former[1:]...)
	}
	d.former = append(d.former, former{d.minPoW, d.bloom, now.Add(syncAllowance * time.Second)})
}

// maxFormer limits the number of former demands: an application may add a hundred topics
// at once.
const maxFormer = 8

// forget drops the former demands whose time is over.
func (d *demand) forget(now time.Time) {
	for len(d.former) > 0 && !now.Before(d.former[0].until) {
		d.former = d.former[1:]
	}
}

// judge validates an envelope. It returns nil if the envelope is acceptable, [errExpired]
// if it must be dropped, or one of the errors that end the link. It also sets the parcel's
// final PoW, which is lower for an envelope that was sent ahead of this node's clock.
func (d *demand) judge(p *parcel, now time.Time) error {
	if err := p.age(uint32(now.Unix())); err != nil {
		return err
	}
	if p.Size() > d.maxSize {
		return fmt.Errorf("envelope of %d bytes is %w of %d", p.Size(), ErrOversized, d.maxSize)
	}
	d.forget(now)
	minPoW, matches := d.minPoW, p.own || d.bloom.Matches(p.asked)
	for _, f := range d.former {
		minPoW = min(minPoW, f.minPoW)
		matches = matches || f.bloom.Matches(p.asked)
	}
	if p.pow < minPoW {
		return fmt.Errorf("envelope with %w: %v, want %v", ErrTooLowPoW, p.pow, minPoW)
	}
	if !matches {
		return fmt.Errorf("%w: topic %v", ErrNotAskedFor, p.Topic)
	}
	return nil
}

// age validates an envelope's times. now is in seconds of Unix time. Numbers wrap around on
// purpose: an envelope with a TTL larger than its expiry counts as one from the far future.
func (p *parcel) age(now uint32) error {
	if sent := p.Expiry - p.TTL; sent > now {
		if sent-syncAllowance > now {
			return fmt.Errorf("%w: sent at %d, now %d", ErrFromFuture, sent, now)
		}
		p.pow = p.proof.pow(p.TTL + sent - now + 1)
	}
	if p.Expiry < now {
		if p.Expiry+expiredAllowance < now {
			return fmt.Errorf("%w: at %d, now %d", ErrLongExpired, p.Expiry, now)
		}
		return errExpired
	}
	if math.IsInf(p.pow, 1) {
		// A TTL of zero makes the PoW infinite. A node that forwards such an envelope follows
		// the network's rules, so the link goes on; but accepting it would permit a flood
		// without any work.
		return errExpired
	}
	return nil
}
