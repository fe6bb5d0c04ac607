package shh

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// DefaultMinPoW is the PoW that a node wants of envelopes unless it is told otherwise.
const DefaultMinPoW = 0.2

// Limits of the size of an envelope and of a whole message of the link, in bytes.
const (
	DefaultMaxMessageSize = 1 << 20
	MaxMessageSize        = 10 << 20
)

const (
	// syncAllowance is how far clocks may be apart, in seconds, and how long a remote may
	// go by what this node wanted before.
	syncAllowance = 10
	// expiredAllowance is how long ago an envelope may have expired, in seconds, for its
	// sender not to be blamed.
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

// errExpired: an envelope that was too long under way, which is nobody's fault.
var errExpired = errors.New("envelope has expired")

// demand is what a node wants of the envelopes that it is sent. A plain rule: whoever
// owns it guards it.
type demand struct {
	minPoW  float64
	bloom   Bloom
	maxSize int
	former  []former
}

// former is a demand that remotes may still go by, because they had no time to hear of
// the next one.
type former struct {
	minPoW float64
	bloom  Bloom
	until  time.Time
}

// remember keeps what is demanded now among the former. It is called before a change.
func (d *demand) remember(now time.Time) {
	d.forget(now)
	if len(d.former) == maxFormer {
		// So many changes in so short a time: the two oldest become one that allows what
		// either did.
		first, second := d.former[0], &d.former[1]
		second.minPoW = min(first.minPoW, second.minPoW)
		second.bloom = first.bloom.Or(second.bloom)
		d.former = append(d.former[:0], d.former[1:]...)
	}
	d.former = append(d.former, former{d.minPoW, d.bloom, now.Add(syncAllowance * time.Second)})
}

// maxFormer limits the former demands: an application may add a hundred topics at once.
const maxFormer = 8

// forget drops the former demands that all remotes know to be over.
func (d *demand) forget(now time.Time) {
	for len(d.former) > 0 && !now.Before(d.former[0].until) {
		d.former = d.former[1:]
	}
}

// judge says whether an envelope may come in: nil; [errExpired], and it is dropped; or one
// of the errors that end the link. It settles the parcel's PoW, which is less for one that
// was sent ahead of this node's clock.
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

// age judges by time alone, in seconds of Unix time. Numbers wrap around on purpose: a TTL
// beyond the expiry makes an envelope from the far future.
func (p *parcel) age(now uint32) error {
	if sent := p.Expiry - p.TTL; sent > now {
		if sent-syncAllowance > now {
			return fmt.Errorf("%w: sent at %d, now it is %d", ErrFromFuture, sent, now)
		}
		p.pow = p.proof.pow(p.TTL + sent - now + 1)
	}
	if p.Expiry < now {
		if p.Expiry+expiredAllowance < now {
			return fmt.Errorf("%w: at %d, now it is %d", ErrLongExpired, p.Expiry, now)
		}
		return errExpired
	}
	if math.IsInf(p.pow, 1) {
		// Its PoW is that of a life without a length. Whoever passed it on as the network
		// has it is not to blame, but it would flood the node for nothing.
		return errExpired
	}
	return nil
}
