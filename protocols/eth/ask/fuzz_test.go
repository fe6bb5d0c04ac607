package ask_test

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols/eth/ask"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// FuzzScheduler has callers and remotes do anything in any order. Requests stay within their bounds,
// each goes to a peer that is there, a want finishes once, and in the end all do.
func FuzzScheduler(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("00112233445566778899aabbccddeeff"))
	f.Fuzz(func(t *testing.T, script []byte) {
		m := &model{t: t, s: ask.New(ask.Config{InFlight: 5, PerPeer: 2, Queue: 300, Wants: 20}), now: began,
			peers: map[enode.ID]int{}, sent: map[uint64]ask.Ask{}, wants: map[ask.WantID]bool{}}
		for len(script) >= 2 {
			m.step(script[0], int(script[1]))
			script = script[2:]
		}
		for range 1000 {
			at, ok := m.s.Next(m.now)
			if !ok {
				break
			}
			m.now = at
			m.do(m.s.Tick(m.now))
		}
		if len(m.wants) != 0 {
			t.Errorf("%d wants have no end", len(m.wants))
		}
	})
}

// model is what a scheduler's caller knows.
type model struct {
	t       *testing.T
	s       *ask.Scheduler
	now     time.Time
	peers   map[enode.ID]int // requests in flight
	sent    map[uint64]ask.Ask
	arrived []uint64
	wants   map[ask.WantID]bool
}

func (m *model) step(op byte, n int) {
	peer := id(n % 4)
	switch op % 9 {
	case 0:
		m.leave(peer)
		m.peers[peer] = 0
		m.do(m.s.Join(m.now, ask.Peer{ID: peer, Version: uint(68 + n%5)}))
	case 1:
		m.leave(peer)
		m.do(m.s.Leave(m.now, peer))
	case 2:
		w := ask.Want{Asker: string(rune('a' + n%3)), Kind: ask.Kind(n % 5), Tries: n % 7, Blocks: blocks(uint64(n), uint64(n+n/2))}
		if w.Kind == ask.Headers {
			w.Blocks, w.Query = nil, headersFrom(uint64(n), uint64(n))
		}
		if n%11 == 0 {
			w.Only = &peer
		}
		if id, actions, err := m.s.Add(m.now, w); err == nil {
			m.wants[id] = true
			m.do(actions)
		}
	case 3, 4, 5:
		m.answer(uint64(n), int(op))
	case 6:
		if len(m.arrived) > 0 {
			m.done(m.arrived[0], n)
		}
	case 7:
		m.now = m.now.Add(time.Duration(n) * 100 * time.Millisecond)
		m.do(m.s.Tick(m.now))
	case 8:
		m.do(m.s.SetRange(m.now, peer, chain.Range{Earliest: uint64(n), Latest: uint64(2 * n), LatestHash: hash(1)}))
		delete(m.wants, ask.WantID(n%64))
		m.do(m.s.Cancel(m.now, ask.WantID(n%64)))
	}
}

func (m *model) answer(id uint64, op int) {
	a, ok := m.sent[id]
	if !ok {
		return
	}
	items := a.Request.Items() - op%3
	_, ok, actions := m.s.Arrived(m.now, a.Peer, id, a.Request.Kind, max(0, items))
	if ok {
		m.arrived = append(m.arrived, id)
	}
	m.do(actions)
}

func (m *model) done(id uint64, n int) {
	m.arrived = m.arrived[1:]
	a := m.sent[id]
	found := ask.Result{Headers: n % 3, Spoken: n % 5, Got: make([]bool, len(a.Request.Blocks))}
	for i := range found.Got {
		found.Got[i] = i < n%17
	}
	if n%13 == 0 {
		found.Err = ask.ErrWrong
	}
	if n%5 == 0 && m.s.Continue(m.now, id, found) {
		return
	}
	m.do(m.s.Done(m.now, id, found))
}

func (m *model) leave(peer enode.ID) { delete(m.peers, peer) }

func (m *model) do(actions []ask.Action) {
	for _, action := range actions {
		switch a := action.(type) {
		case ask.Ask:
			if _, ok := m.peers[a.Peer]; !ok {
				m.t.Errorf("%+v: no such peer", a)
			}
			if _, again := m.sent[a.Request.ID]; again || a.Request.Items() == 0 {
				m.t.Errorf("%+v", a)
			}
			m.sent[a.Request.ID] = a
		case ask.Finished:
			if !m.wants[a.Want] {
				m.t.Errorf("%+v: no such want", a)
			}
			delete(m.wants, a.Want)
		case ask.Close:
			m.leave(a.Peer)
		}
	}
}
