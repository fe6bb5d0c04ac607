package discovery

import (
	"context"
	"sync"

	"github.com/ethereum/go-ethereum/p2p/dnsdisc"
)

// listPatience is how many queries in a row must fail before we speak of it: single
// entries of public lists are missing at times.
const listPatience = 5

// lists is the resolver for DNS node lists, and knows how it goes: the library tells
// nobody that it reads nothing.
type lists struct {
	inner dnsdisc.Resolver
	tell  func(any) // sends to the actor

	mu      sync.Mutex
	row     int // failures without a success between them
	failed  uint64
	lastErr string
}

// LookupTXT implements dnsdisc.Resolver.
func (l *lists) LookupTXT(ctx context.Context, domain string) ([]string, error) {
	texts, err := l.inner.LookupTXT(ctx, domain)
	if ctx.Err() == context.Canceled {
		return texts, err // we are stopping
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.row, l.lastErr = 0, ""
		return texts, nil
	}
	l.failed++
	l.lastErr = err.Error()
	if l.row++; l.row == listPatience {
		l.tell(&unlisted{domain: domain, err: err})
	}
	return texts, err
}

func (l *lists) trouble() (failed uint64, lastErr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed, l.lastErr
}
