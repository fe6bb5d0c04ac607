package discovery

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
)

// listFailureLimit is how many queries in a row must fail before a warning is logged: single
// entries of public lists are missing at times.
const listFailureLimit = 5

// lists is the resolver for DNS node lists. It records failures, because the library does not
// report that it reads nothing.
type lists struct {
	inner dnsdisc.Resolver
	send  func(any) // sends to the actor

	mu      sync.Mutex
	row     int // failures since the last success
	failed  uint64
	lastErr string
}

// LookupTXT implements dnsdisc.Resolver.
func (l *lists) LookupTXT(ctx context.Context, domain string) ([]string, error) {
	texts, err := l.inner.LookupTXT(ctx, domain)
	if ctx.Err() == context.Canceled {
		return texts, err // the actor is stopping
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.row, l.lastErr = 0, ""
		return texts, nil
	}
	l.failed++
	l.lastErr = err.Error()
	if l.row++; l.row == listFailureLimit {
		l.send(&listFailed{domain: domain, err: err})
	}
	return texts, err
}

func (l *lists) failures() (failed uint64, lastErr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed, l.lastErr
}
