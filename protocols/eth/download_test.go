package eth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// provider is a peer that has the test chain, and counts which parts are read.
type provider struct {
	*eth.Files
	read  [chain.Parts]atomic.Int64
	lie   bool // its bodies are those of other blocks
	lacks atomic.Pointer[func(p chain.Part, n uint64) bool]
	side  *eth.Eth
	node  *node.Node
}

// without has the provider lack what lacks says; nil: nothing.
func (p *provider) without(lacks func(p chain.Part, n uint64) bool) *provider {
	p.lacks.Store(nil)
	if lacks != nil {
		p.lacks.Store(&lacks)
	}
	return p
}

func (p *provider) Read(part chain.Part, n uint64) ([]byte, error) {
	if lacks := p.lacks.Load(); lacks != nil && (*lacks)(part, n) {
		return nil, chain.ErrAbsent
	}
	p.read[part].Add(1)
	if p.lie && part == chain.Body {
		n = 600 - n
	}
	return p.Files.Read(part, n)
}

// market is a node that downloads, and its providers.
type market struct {
	*testing.T
	world     *nodetest.Network
	network   *chain.Network
	files     *eth.Files
	providers []*provider
	side      *eth.Eth
	node      *node.Node
	chaos     []node.Chaos
}

func host(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 30303)
}

// provide runs a provider.
func (m *market) provide(p *provider, versions ...uint) *provider {
	m.Helper()
	p.Files = m.files
	p.side = eth.New(eth.Config{Chain: m.network, Source: p, Versions: versions})
	p.node = nodetest.Start(m.T, func(c *node.Config) {
		m.world.Attach(c, host(len(m.providers)+1))
		c.Specs = []protocols.Spec{p.side.Spec()}
	})
	p.side.View().Set(chain.Block{Number: 600, Hash: hashOf(m.T, m.files, 600)}, 0)
	m.providers = append(m.providers, p)
	return p
}

// open runs the node that downloads, with all providers for peers.
func (m *market) open() {
	m.Helper()
	var peers []*enode.Node
	for _, p := range m.providers {
		peers = append(peers, p.node.Self())
	}
	m.side = eth.New(eth.Config{Chain: m.network})
	m.node = nodetest.Start(m.T, func(c *node.Config) {
		m.world.Attach(c, host(0))
		c.Specs, c.StaticNodes, c.Chaos = []protocols.Spec{m.side.Spec()}, peers, m.chaos
	})
}

// served returns how many of a part all providers have read.
func (m *market) served(part chain.Part) (n int64) {
	for _, p := range m.providers {
		n += p.read[part].Load()
	}
	return n
}

const exported = "history/testdata/unknown-00000-9d78f735-noproofs.ere"

// isExported fails unless the directory has the chain as go-ethereum exports it.
func (m *market) isExported(dir string) {
	m.Helper()
	got, err := os.ReadFile(filepath.Join(dir, filepath.Base(exported)))
	if err != nil {
		m.Fatal(err)
	}
	want, err := os.ReadFile(exported)
	if err != nil {
		m.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		m.Errorf("the file has %d bytes, want those of %s", len(got), exported)
	}
	if r, err := history.Verify(m.Context(), dir, nil); err != nil || !r.Good() || r.Unfinished || !r.Checksums || len(r.Files) != 1 {
		m.Errorf("the files: %+v, %v", r, err)
	}
}

// inMarket runs a test in a bubble. The files are read outside.
func inMarket(t *testing.T, f func(m *market)) {
	t.Helper()
	n, files := testChain(t)
	actortest.Bubble(t, func(t *testing.T) {
		m := &market{T: t, world: nodetest.NewNetwork(), network: n, files: files}
		m.world.SetLatency(20 * time.Millisecond)
		f(m)
	})
}

// TestDownload: a chain is downloaded from peers of which one lies, one goes away, and one is slow. The
// file is the one that go-ethereum exports.
func TestDownload(t *testing.T) {
	inMarket(t, func(m *market) {
		dir := m.TempDir()
		gone := make(chan struct{})
		m.provide(&provider{}, 70)
		slow := m.provide(&provider{}, 72)
		liar := m.provide(&provider{lie: true}, 71)
		leaver := m.provide(&provider{}, 69, 68)
		var once atomic.Bool
		leaver.without(func(p chain.Part, n uint64) bool {
			if p == chain.Receipts && n > 20 && !once.Swap(true) {
				close(gone)
			}
			return false
		})
		m.open()
		events := nodetest.Watch(m.T, m.node)
		go func() {
			<-gone
			m.world.Partition([]netip.Addr{host(4).Addr()})
		}()
		h, err := m.side.PeersHead(m.Context(), 4, time.Minute)
		if err != nil || h.Number != 600 {
			m.Fatalf("head %d, %v", h.Number, err)
		}
		m.world.SetLatencyBetween(host(0).Addr(), host(2).Addr(), 3*time.Second)
		before := slow.read[chain.Header].Load() + slow.read[chain.Body].Load()
		p, err := m.side.Download(m.Context(), eth.Download{Dir: dir, To: h.Hash})
		if err != nil || !p.Done || p.NewHeaders != 600 || p.Written != 1 {
			m.Fatalf("%+v, %v", p, err)
		}
		m.isExported(dir)
		dropped := events.Next(node.PeerDropped)
		for dropped.Peer.ID != liar.node.ID() {
			dropped = events.Next(node.PeerDropped)
		}
		if c := dropped.Cause; c.Side != protocols.Local || !strings.Contains(c.Error(), "transactions root") {
			m.Errorf("the liar's link ended: %v", c)
		}
		if slow.read[chain.Header].Load()+slow.read[chain.Body].Load() == before {
			m.Error("the slow peer was not asked")
		}
		select {
		case <-gone:
		default:
			m.Error("no peer went away")
		}
	})
}

var errEnough = errors.New("enough")

// TestDownloadResumes: a download that was ended in the middle goes on without asking for what it has.
func TestDownloadResumes(t *testing.T) {
	inMarket(t, func(m *market) {
		dir := m.TempDir()
		for range 2 {
			m.provide(&provider{}, 70)
		}
		m.open()
		ends := 0
		for {
			ctx, cancel := context.WithCancelCause(m.Context())
			before := m.served(chain.Body)
			for _, p := range m.providers {
				p.without(func(part chain.Part, _ uint64) bool {
					if m.served(chain.Body) > before+100 {
						cancel(errEnough)
					}
					return false
				})
			}
			p, err := m.side.Download(ctx, eth.Download{Dir: dir, To: hashOf(m.T, m.files, 600)})
			cancel(nil)
			if err == nil {
				if !p.Done {
					m.Errorf("%+v", p)
				}
				break
			}
			if !errors.Is(err, errEnough) || p.Done {
				m.Fatalf("%+v, %v", p, err)
			}
			ends++
			if r, err := history.List(dir); err != nil || !r.Unfinished {
				m.Errorf("%+v, %v", r, err)
			}
		}
		m.isExported(dir)
		// What was on its way at an end is asked for again, and the window of both sides reads some.
		if n := m.served(chain.Header); ends < 2 || n > 1600 {
			m.Errorf("%d ends, %d headers read", ends, n)
		}
	})
}

// TestDownloadHeaders: headers alone are kept, and the rest goes on from there.
func TestDownloadHeaders(t *testing.T) {
	inMarket(t, func(m *market) {
		dir := m.TempDir()
		m.provide(&provider{}, 72)
		m.open()
		d := eth.Download{Dir: dir, To: hashOf(m.T, m.files, 600), HeadersOnly: true}
		p, err := m.side.Download(m.Context(), d)
		if err != nil || !p.Headers || p.NewHeaders != 600 || p.NewBodies != 0 || p.Written != 0 {
			m.Fatalf("%+v, %v", p, err)
		}
		d.HeadersOnly = false
		if p, err = m.side.Download(m.Context(), d); err != nil || p.NewHeaders != 0 {
			m.Fatalf("%+v, %v", p, err)
		}
		m.isExported(dir)
	})
}

// TestDownloadStalls: a download that no peer can serve ends, says what is missing, and keeps what came.
func TestDownloadStalls(t *testing.T) {
	for name, tt := range map[string]struct {
		version uint
		to      common.Hash
		lacks   func(chain.Part, uint64) bool
		want    string
	}{
		"a hash that no block has":           {70, common.Hash{1}, nil, "none has sent the last block"},
		"receipts too large for the version": {69, common.Hash{}, nil, "receipts of block"},
		"a body that none has":               {70, common.Hash{}, func(p chain.Part, n uint64) bool { return p == chain.Body && n == 300 }, "body of blocks 300 to 300: "},
		"no peers":                           {0, common.Hash{}, nil, "with 0 peers"},
	} {
		t.Run(name, func(t *testing.T) {
			inMarket(t, func(m *market) {
				dir := m.TempDir()
				var p *provider
				if tt.version != 0 {
					p = m.provide(new(provider).without(tt.lacks), tt.version)
				}
				m.open()
				d := eth.Download{Dir: dir, To: tt.to}
				if tt.to == (common.Hash{}) {
					d.To = hashOf(m.T, m.files, 600)
				}
				begin := time.Now()
				_, err := m.side.Download(m.Context(), d)
				if took := time.Since(begin); !errors.Is(err, eth.ErrStalled) || !strings.Contains(fmt.Sprint(err), tt.want) || took > 15*time.Minute {
					m.Errorf("after %v: %v, want %q", took, err, tt.want)
				}
				if p == nil || tt.to != (common.Hash{}) {
					return
				}
				p.without(nil)
				m.provide(&provider{}, 70)
				if err := m.node.AddPeer(m.providers[1].node.Self()); err != nil {
					m.Fatal(err)
				}
				if p, err := m.side.Download(m.Context(), d); err != nil || p.NewHeaders != 0 || p.NewBodies > 1 || p.NewReceipts > 1 {
					m.Errorf("later: %+v, %v", p, err)
				}
				m.isExported(dir)
			})
		})
	}
}

// TestPeersHead: the head is what most of the peers have.
func TestPeersHead(t *testing.T) {
	inMarket(t, func(m *market) {
		behind := func(to uint64) *provider {
			return new(provider).without(func(_ chain.Part, n uint64) bool { return n > to })
		}
		m.provide(&provider{}, 68)
		m.provide(behind(590), 69).side.View().Set(chain.Block{Number: 590, Hash: hashOf(m.T, m.files, 590)}, 0)
		m.provide(behind(500), 70).side.View().Set(chain.Block{Number: 500, Hash: hashOf(m.T, m.files, 500)}, 0)
		m.open()
		if h, err := m.side.PeersHead(m.Context(), 3, time.Minute); err != nil || h.Number != 590 {
			m.Errorf("head %d, %v; want 590, which two of three have", h.Number, err)
		}
		begin := time.Now()
		if _, err := m.side.PeersHead(m.Context(), 4, time.Minute); err != nil || time.Since(begin) < time.Minute {
			m.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
	inMarket(t, func(m *market) {
		m.open()
		if _, err := m.side.PeersHead(m.Context(), 1, time.Minute); !errors.Is(err, eth.ErrNoPeers) {
			m.Errorf("without peers: %v", err)
		}
	})
}

// TestDownloadOutlivesCrashes: the service panics every 50 ms, and the download goes on.
func TestDownloadOutlivesCrashes(t *testing.T) {
	inMarket(t, func(m *market) {
		dir := m.TempDir()
		m.provide(&provider{}, 70)
		m.chaos = []node.Chaos{{Pattern: "*/service-eth", Interval: 50 * time.Millisecond}}
		m.open()
		if p, err := m.side.Download(m.Context(), eth.Download{Dir: dir, To: hashOf(m.T, m.files, 600)}); err != nil {
			m.Fatalf("%+v, %v", p, err)
		}
		m.isExported(dir)
	})
}
