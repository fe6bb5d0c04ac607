package eth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/head"
	"github.com/troupe-p2p/troupe/protocols/eth/serve"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// linksWanted asks the service for the links that there are.
type linksWanted struct{ reply chan<- []*protocols.Link }

// links returns the links that speak eth; none while the service is not there.
func (e *Eth) links(ctx context.Context) []*protocols.Link {
	reply := make(chan []*protocols.Link, 1)
	e.downloads.tell(linksWanted{reply})
	select {
	case links := <-reply:
		return links
	case <-ctx.Done():
	}
	return nil
}

// Errors of PeersHead.
var (
	ErrNoPeers      = errors.New("no peer")
	ErrNoHead       = errors.New("no peer has said which block is its head")
	ErrDisagreement = errors.New("the peers have no head in common")
)

// lookForLinks is how often PeersHead looks for further links, and headTimeout is how long the peers may
// take to answer.
const (
	lookForLinks = 200 * time.Millisecond
	headTimeout  = 15 * time.Second
)

// PeersHead asks the peers which block is the head of the chain, and returns the highest one that more than
// half of those have which answer. It is for a node whose peers an operator has chosen: a node that finds
// its peers itself follows the votes of package head. It waits until there are as many peers as it is
// to ask, and until within has passed; then one is enough. It is for goroutines outside actors.
func (e *Eth) PeersHead(ctx context.Context, peers int, within time.Duration) (h verify.Header, err error) {
	waiting, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var links []*protocols.Link
	for {
		asking, done := context.WithTimeout(ctx, lookForLinks)
		links = e.links(asking)
		<-asking.Done() // until the next look
		done()
		if len(links) >= peers || waiting.Err() != nil {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		return h, context.Cause(ctx)
	case len(links) == 0:
		return h, fmt.Errorf("%w within %v", ErrNoPeers, within)
	}
	return askHeads(ctx, links)
}

// askHeads asks each link for its head, and then for those of the others.
func askHeads(ctx context.Context, links []*protocols.Link) (h verify.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, headTimeout)
	defer cancel()
	var all sync.WaitGroup
	said := make([]verify.Header, len(links))
	for i, l := range links {
		all.Go(func() { said[i], _ = headerBy(ctx, l, headOf(l)) }) // a peer that does not say has no vote
	}
	all.Wait()
	var heads []verify.Header
	var voters []*protocols.Link
	for i := range said {
		if said[i].Fields != nil {
			heads, voters = append(heads, said[i]), append(voters, links[i])
		}
	}
	if len(heads) == 0 {
		return h, fmt.Errorf("%w, of %d", ErrNoHead, len(links))
	}
	has := make([][]bool, len(voters))
	for i, l := range voters {
		has[i] = make([]bool, len(heads))
		for j := range heads {
			if heads[j].Hash != heads[i].Hash {
				all.Go(func() {
					_, err := headerBy(ctx, l, heads[j].Hash)
					has[i][j] = err == nil
				})
			}
		}
	}
	all.Wait()
	h, ok := head.Agree(heads, has)
	if !ok {
		return h, fmt.Errorf("%w: %s", ErrDisagreement, listHeads(heads))
	}
	return h, nil
}

// headOf returns the hash of the block that a peer has said is its head.
func headOf(l *protocols.Link) common.Hash {
	if r := rangeOf(l); r != nil {
		return r.LatestHash
	}
	if s := protocols.StatusOf[Status68](l); s != nil {
		return s.Head
	}
	return common.Hash{}
}

// headerBy asks a link for a header by hash. A wrong answer closes the link.
func headerBy(ctx context.Context, l *protocols.Link, hash common.Hash) (verify.Header, error) {
	if hash == (common.Hash{}) {
		return verify.Header{}, ErrNotThere
	}
	h, err := Query{Link: l}.Header(ctx, serve.Origin{Hash: hash})
	var wrong *verify.Error
	if errors.As(err, &wrong) {
		l.DisconnectWithError(protocols.DiscSubprotocolError, fmt.Errorf("headers: %w", err))
	}
	return h, err
}

func listHeads(heads []verify.Header) string {
	var texts []string
	for i := range heads {
		texts = append(texts, fmt.Sprintf("%d %v", heads[i].Number, heads[i].Hash))
	}
	return strings.Join(texts, ", ")
}
