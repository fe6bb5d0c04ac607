package backfill

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

// work is which bodies and receipts of an epoch are missing.
type work struct {
	first   uint64
	state   [parts][]partState // by number, from first
	missing int
	low     [parts]int // no block before it is missing
}

type partState uint8

const (
	partThere partState = iota
	partMissing
	partFlying // missing, and asked for
)

func (w *work) needs(p chain.Part, n uint64) bool { return w.state[p][n-w.first] != partThere }

func (w *work) got(p chain.Part, n uint64) {
	w.state[p][n-w.first] = partThere
	w.missing--
}

// land notes that a request is no longer out.
func (w *work) land(r *Request) {
	for i := range r.Blocks {
		i := int(r.Blocks[i].Number - w.first)
		if w.state[r.Part][i] == partFlying {
			w.state[r.Part][i] = partMissing
			w.low[r.Part] = min(w.low[r.Part], i)
		}
	}
}

// emptyBody returns the body of a block that has nothing in it; ok is false if it has, as its header says.
func emptyBody(h *types.Header) (body []byte, ok bool) {
	if h.TxHash != types.EmptyTxsHash || h.UncleHash != types.EmptyUncleHash {
		return nil, false
	}
	switch {
	case h.WithdrawalsHash == nil:
		return []byte{0xc2, 0xc0, 0xc0}, true
	case *h.WithdrawalsHash == types.EmptyWithdrawalsHash:
		return []byte{0xc3, 0xc0, 0xc0, 0xc0}, true
	}
	return nil, false
}

// emptyPart returns a body or receipts that need not be asked for.
func emptyPart(p chain.Part, h *types.Header) (content []byte, ok bool) {
	if p == chain.Body {
		return emptyBody(h)
	}
	return []byte{0xc0}, h.ReceiptHash == types.EmptyReceiptsHash
}

// working returns the epochs at work, the one to be written soonest first.
func (s *Sync) working() (list []*epoch) {
	for _, ep := range s.epochs {
		if ep.work != nil {
			list = append(list, ep)
		}
	}
	slices.SortFunc(list, func(a, b *epoch) int {
		if sooner(a, b) {
			return -1
		}
		return 1
	})
	return list
}

// startWork begins with epochs that have all headers, after the Merge downward, before it upward.
func (s *Sync) startWork() error {
	for !s.cfg.HeadersOnly && len(s.working()) < atWork {
		var best *epoch
		for _, ep := range s.epochs {
			if s.mayStart(ep) && (best == nil || sooner(ep, best)) {
				best = ep
			}
		}
		if best == nil {
			return nil
		}
		if err := s.start(best); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sync) mayStart(ep *epoch) bool {
	if !ep.whole || ep.work != nil {
		return false
	}
	if !ep.beforeMerge || s.hasTotal(ep.first) {
		return true
	}
	below := s.epochs[ep.number-1]
	return below != nil && below.work != nil
}

func sooner(a, b *epoch) bool {
	if a.beforeMerge != b.beforeMerge {
		return b.beforeMerge
	}
	return (a.number < b.number) == a.beforeMerge
}

// start finds out what is missing of an epoch.
func (s *Sync) start(ep *epoch) error {
	j, err := s.journal(ep.number)
	if err != nil {
		return err
	}
	w := &work{first: ep.first}
	count := int(ep.last - ep.first + 1)
	for _, p := range []chain.Part{chain.Body, chain.Receipts} {
		w.state[p] = make([]partState, count)
	}
	for i := range count {
		n := ep.first + uint64(i)
		if ep.inFile(n) != nil {
			continue
		}
		h, err := j.header(n)
		if err != nil {
			return fmt.Errorf("%w; start the download again", err)
		}
		for _, p := range []chain.Part{chain.Body, chain.Receipts} {
			if _, empty := emptyPart(p, h); !empty && j.slot(n).records[p].offset == 0 {
				w.state[p][i] = partMissing
				w.missing++
			}
		}
	}
	ep.work = w
	return nil
}

// inFile returns a file that has block n of the epoch, or nil.
func (ep *epoch) inFile(n uint64) *file {
	for i := range ep.files {
		if ep.files[i].contains(n) {
			return &ep.files[i]
		}
	}
	return nil
}

// nextParts returns a request for a part of an epoch's blocks, or nil.
func (s *Sync) nextParts(ep *epoch, p chain.Part) (*Request, error) {
	w := ep.work
	r := &Request{Part: p, epoch: ep}
	j, err := s.journal(ep.number)
	if err != nil {
		return nil, err
	}
	i := w.low[p]
	for ; i < len(w.state[p]) && len(r.Blocks) < maxParts; i++ {
		if w.state[p][i] != partMissing {
			continue
		}
		encoded, err := j.read(chain.Header, ep.first+uint64(i))
		if err != nil {
			return nil, err
		}
		h, err := verify.DecodeHeader(encoded)
		if err != nil {
			return nil, fmt.Errorf("header of block %d: %w", ep.first+uint64(i), err)
		}
		r.Blocks = append(r.Blocks, h)
		w.state[p][i] = partFlying
	}
	w.low[p] = i
	if len(r.Blocks) == 0 {
		return nil, nil
	}
	return r, nil
}
