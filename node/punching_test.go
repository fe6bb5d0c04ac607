package node

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/datadir"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
)

// beliefLog keeps the log lines about NATs.
type beliefLog struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (h *beliefLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h *beliefLog) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *beliefLog) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if strings.Contains(r.Message, "NAT") {
		h.lines = append(h.lines, r.Message)
	}
	return nil
}

// punchingNode runs a node until the test ends. By default it listens on all addresses, with
// discovery v5 and no bootnodes.
func punchingNode(t *testing.T, edit func(*Config)) *Node {
	t.Helper()
	key, err := datadir.FreshKey()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Key: key, Listen: []netip.AddrPort{{}}, Discovery: &Discovery{V5: true}, Specs: []protocols.Spec{bench.Spec()},
		OwnAddrs: func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil },
	}
	edit(&c)
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { halt(t, n) })
	return n
}

func halt(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func entryOf(t *testing.T, n *enode.Node) (belief punch.NAT) {
	t.Helper()
	belief, ok := punch.Takes(n)
	if !ok {
		t.Errorf("the record %v has no entry of hole punching", n)
	}
	return belief
}

// TestObservationsAreReported: the record, the events and the log follow the puncher's state,
// once for each change.
func TestObservationsAreReported(t *testing.T) {
	log := &beliefLog{Handler: slog.DiscardHandler}
	n := punchingNode(t, func(c *Config) { c.Logger = slog.New(log) })
	port := n.sockets.Port()
	unknown := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	udp, tcp := netip.MustParseAddrPort("30.1.2.3:3001"), netip.MustParseAddrPort("30.1.2.3:3000")
	events := n.Subscribe(t.Context())
	next := func(kind EventKind) Event {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.Kind == ReachabilityChanged || e.Kind == RecordChanged {
					if e.Kind != kind {
						t.Fatalf("event %v, want %v", e.Kind, kind)
					}
					return e
				}
			case <-time.After(time.Minute):
				t.Fatalf("no event %v within a minute", kind)
			}
		}
	}
	if got := entryOf(t, n.Self()); got != punch.Unknown {
		t.Errorf("the first record has NAT %v, want %v", got, punch.Unknown)
	}
	for _, step := range []struct {
		state    punch.State
		udp, tcp netip.AddrPort // of the record
	}{
		{punch.State{Belief: punch.EndpointIndependent, Observed: udp}, udp, netip.AddrPortFrom(udp.Addr(), port)},
		{punch.State{Belief: punch.EndpointIndependent, Observed: udp, TCP: tcp}, udp, tcp},
		{punch.State{Belief: punch.AddressDependent, Observed: udp, TCP: tcp}, udp, tcp},
		{punch.State{}, unknown, unknown},
	} {
		n.record.PunchChanged(step.state)
		step.state.Calls = map[string]uint64{"linked": 1}
		n.record.PunchChanged(step.state) // makes no event, as the next event shows
		if got := next(ReachabilityChanged).HolePunching; got.Belief != step.state.Belief || got.Observed != step.state.Observed || got.TCP != step.state.TCP {
			t.Errorf("event with %+v, want %+v", got, step.state)
		}
		r := next(RecordChanged).Record
		gotUDP, _ := r.UDPEndpoint()
		gotTCP, _ := r.TCPEndpoint()
		if gotUDP != step.udp || gotTCP != step.tcp || entryOf(t, r) != step.state.Belief {
			t.Errorf("the record has UDP %v, TCP %v, NAT %v; want %v, %v, %v", gotUDP, gotTCP, entryOf(t, r), step.udp, step.tcp, step.state.Belief)
		}
		if url, err := enode.ParseV4(n.URL()); err != nil || url.UDP() != int(step.udp.Port()) || url.TCP() != int(step.tcp.Port()) {
			t.Errorf("URL %s, %v", n.URL(), err)
		}
	}
	if url := n.URL(); url != n.LocalURL() {
		t.Errorf("URL %s, want %s", url, n.LocalURL())
	}
	halt(t, n)
	want := []string{"behind a NAT with endpoint-independent mapping", "behind a NAT with address-dependent mapping", "NAT unknown"}
	if len(log.lines) != len(want) {
		t.Fatalf("log lines %q, want %d", log.lines, len(want))
	}
	for i, begin := range want {
		if !strings.HasPrefix(log.lines[i], begin) {
			t.Errorf("log line %q, want prefix %q", log.lines[i], begin)
		}
	}
}

// TestConfiguredAddressIsOpen: a node with an address from the operator considers itself open,
// and its record says so.
func TestConfiguredAddressIsOpen(t *testing.T) {
	n := punchingNode(t, func(c *Config) { c.NAT = "extip:30.1.2.3" })
	actortest.Eventually(t, "the record has NAT open", func() bool { return entryOf(t, n.Self()) == punch.Open })
	if s, ok := n.HolePunching(); !ok || s.Belief != punch.Open {
		t.Errorf("state %+v, %v", s, ok)
	}
	if at, _ := n.Self().UDPEndpoint(); at != netip.AddrPortFrom(netip.MustParseAddr("30.1.2.3"), n.sockets.UDPPort()) {
		t.Errorf("the record has UDP %v", at)
	}
}

// TestFileWithoutRouter: without port mapping too, the data directory has the NAT status while
// the node runs.
func TestFileWithoutRouter(t *testing.T) {
	dir := t.TempDir()
	n := punchingNode(t, func(c *Config) { c.DataDir = dir })
	actortest.Eventually(t, "the file is there", func() bool {
		s, err := ReadNATStatus(dir)
		return err == nil && s.HolePunching != nil && s.HolePunching.Belief == punch.Unknown && s.Status.Since.IsZero()
	})
	halt(t, n)
	if _, err := ReadNATStatus(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the node has stopped: %v, want %v", err, fs.ErrNotExist)
	}
}

// TestWithoutHolePunching: a node that takes no part in hole punching has no entry of it in its
// record, no state and no actor.
func TestWithoutHolePunching(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"off":            func(c *Config) { c.HolePunching.Off = true },
		"no v5":          func(c *Config) { c.Discovery = &Discovery{V4: true} },
		"no discovery":   func(c *Config) { c.Discovery = nil },
		"doesn't listen": func(c *Config) { c.Listen = nil },
	} {
		t.Run(name, func(t *testing.T) {
			n := punchingNode(t, edit)
			if _, takes := punch.Takes(n.Self()); takes {
				t.Errorf("the record %v has an entry of hole punching", n.Self())
			}
			if s, ok := n.HolePunching(); ok {
				t.Errorf("state %+v", s)
			}
			if _, ok := n.rt.System.ProcessRegistry.GetLocal(n.pids.puncher.Id); ok {
				t.Error("the puncher runs")
			}
		})
	}
	if _, err := New(Config{DataDir: t.TempDir(), Specs: []protocols.Spec{bench.Spec()}, HolePunching: HolePunching{Off: true, Private: true}}); err == nil {
		t.Error("a configuration with Off and Private is accepted")
	}
}

// TestOwnAddressOnTheInternet: the record of a machine with a public address has that address,
// until a neighbour observes another one.
func TestOwnAddressOnTheInternet(t *testing.T) {
	n := punchingNode(t, func(c *Config) {
		c.OwnAddrs = func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("30.1.1.1")}, nil
		}
	})
	if at, _ := n.Self().UDPEndpoint(); at.Addr() != netip.MustParseAddr("30.1.1.1") {
		t.Errorf("the record has UDP %v", at)
	}
	n.record.PunchChanged(punch.State{Belief: punch.EndpointIndependent, Observed: netip.MustParseAddrPort("30.1.2.3:3001")})
	actortest.Eventually(t, "the record has the observed endpoint", func() bool {
		at, _ := n.Self().UDPEndpoint()
		return at == netip.MustParseAddrPort("30.1.2.3:3001")
	})
}

// TestNeighbourReportsOurEndpoint: two nodes on this machine, one of which is the other's
// bootnode.
func TestNeighbourReportsOurEndpoint(t *testing.T) {
	private := func(c *Config) { c.HolePunching.Private = true }
	first := punchingNode(t, private)
	second := punchingNode(t, func(c *Config) {
		private(c)
		c.Discovery.BootnodesV5 = []*enode.Node{first.Self()}
	})
	want := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), second.sockets.UDPPort())
	actortest.Eventually(t, "the neighbour's report", func() bool {
		s, ok := second.HolePunching()
		return ok && s.Observed == want && s.Belief == punch.Open && len(s.Relays) == 1 && s.Relays[0] == first.ID()
	})
	actortest.Eventually(t, "the record has NAT open", func() bool { return entryOf(t, second.Self()) == punch.Open })
}

// TestHelloIsRefused: a node that is banned, or outside the allowed networks, gets no answer to
// its HELLO.
func TestHelloIsRefused(t *testing.T) {
	n := punchingNode(t, func(c *Config) {
		c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("30.0.0.0/8")}
	})
	other := punchingNode(t, func(*Config) {}).Self()
	hello, err := rlp.EncodeToBytes([]any{other.Record(), uint8(0)})
	if err != nil {
		t.Fatal(err)
	}
	answered := func(from string) bool {
		return len(n.punch.Handle(other, netip.MustParseAddrPort(from), append([]byte{1}, hello...))) > 0
	}
	if !answered("30.1.1.10:30303") || answered("31.1.1.10:30303") {
		t.Error("the allowed networks do not decide which HELLO is answered")
	}
	if err := n.Ban(BanIP(netip.MustParseAddr("30.1.1.11")), time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	if !answered("30.1.1.10:30303") || answered("30.1.1.11:30303") {
		t.Error("a banned address is answered")
	}
	if err := n.Ban(BanID(other.ID()), time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	if answered("30.1.1.10:30303") {
		t.Error("a banned node is answered")
	}
}

// TestOwnAddresses: the machine's addresses and the operator's.
func TestOwnAddresses(t *testing.T) {
	n := punchingNode(t, func(c *Config) { c.NAT = "extip:30.1.2.3" })
	own := n.ownAddrs()
	for _, ip := range []string{"127.0.0.1", "30.1.2.3"} {
		if !slices.Contains(own, netip.MustParseAddr(ip)) {
			t.Errorf("%v lacks %s", own, ip)
		}
	}
	if slices.ContainsFunc(own, netip.Addr.IsUnspecified) {
		t.Errorf("%v contains an unspecified address", own)
	}
}
