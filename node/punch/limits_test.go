package punch

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// counter is a Line and a TCPPort that count how the Service uses them.
type counter struct {
	known   map[enode.ID]*enode.Node
	silence chan struct{} // nodes answer after it is closed; nil: at once

	mu             sync.Mutex
	sent, exempted int
}

func (c *counter) Talk(*enode.Node, string, []byte) ([]byte, error) {
	if c.silence != nil {
		<-c.silence
	}
	return encode(ringAnswer{Status: accepted}), nil
}

func (c *counter) Send(netip.AddrPort, []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	return nil
}

func (c *counter) Await(netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exempted++
}

func (*counter) Ping(*enode.Node) (at netip.AddrPort, err error) { return at, io.EOF }
func (*counter) Record(*enode.Node) (*enode.Node, error)         { return nil, io.EOF }
func (*counter) Neighbours() []*enode.Node                       { return nil }
func (*counter) Learn(*enode.Node)                               {}
func (c *counter) Known(id enode.ID) *enode.Node                 { return c.known[id] }
func (*counter) Observed(context.Context, netip.AddrPort) (at netip.AddrPort, held io.Closer, err error) {
	return at, nil, io.EOF
}
func (*counter) Open(context.Context, netip.AddrPort, time.Duration) (net.Conn, error) {
	return nil, io.EOF
}

// participant returns a node that takes part, at an address.
func participant(t *testing.T, ip netip.Addr) *enode.Node {
	t.Helper()
	key := fixture.Key(t)
	var r enr.Record
	r.Set(NewEntry(EndpointIndependent))
	r.SetSeq(1)
	if r.Set(enr.UDP(30303)); ip.Is6() {
		r.Set(enr.IPv6Addr(ip))
	} else {
		r.Set(enr.IPv4Addr(ip))
	}
	if err := enode.SignV4(&r, key); err != nil {
		t.Fatal(err)
	}
	n, err := enode.New(enode.ValidSchemes, &r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The limits hold however an attacker spreads its messages: over many nodes at one address, over many addresses of one
// node, and over the addresses of one /64.
func TestLimits(t *testing.T) {
	const tries = 130
	var (
		v4 = func(i int) netip.Addr { return netip.AddrFrom4([4]byte{30, 1, byte(i), 1}) }
		v6 = func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x24, 0x08, 7: 1, 15: byte(i)}) }
		at = func(f func(int) netip.Addr) (nodes [tries]*enode.Node) {
			for i := range nodes {
				nodes[i] = participant(t, f(i))
			}
			return nodes
		}
		same4                   = func(int) netip.Addr { return v4(200) }
		apart, together, house6 = at(v4), at(same4), at(v6)
		targets, housed         = at(func(i int) netip.Addr { return netip.AddrFrom4([4]byte{30, 2, byte(i), 1}) }), at(func(int) netip.Addr { return netip.AddrFrom4([4]byte{30, 3, 3, 1}) })
	)
	one := func(nodes [tries]*enode.Node) [tries]*enode.Node {
		for i := range nodes {
			nodes[i] = nodes[0]
		}
		return nodes
	}
	type try func(d *Service, i int) (through bool)
	ask := func(d *Service, n *enode.Node, msg any) []byte {
		where, _ := n.UDPEndpoint()
		return d.Handle(n, where, encodeRequest(msg))
	}
	calls := func(from, to [tries]*enode.Node) try {
		return func(d *Service, i int) bool {
			a, err := decode[callAnswer](ask(d, from[i], call{Target: to[i].ID(), Padding: make([]byte, callPadding)}))
			return err == nil && a.Status == accepted
		}
	}
	rings := func(from [tries]*enode.Node, to func(int) netip.Addr) try {
		return func(d *Service, i int) bool {
			a, err := decode[ringAnswer](ask(d, from[i], ring{Caller: enode.ID{9}, Endpoint: endpoint{netip.AddrPortFrom(to(i), 53)}}))
			return err == nil && a.Status == accepted
		}
	}
	for _, tc := range []struct {
		name string
		try  try
		want int
	}{
		{"requests of one node", func(d *Service, i int) bool { return len(ask(d, apart[0], open{Port: 1})) > 0 }, 120},
		{"CALLs of one node", calls(one(apart), targets), 30},
		{"CALLs of one address", calls(together, targets), 60},
		{"CALLs of one /64", calls(house6, targets), 60},
		{"RINGs to one node", calls(apart, one(targets)), 30},
		{"RINGs to one address", calls(apart, housed), 60},
		{"openers for one relay", rings(one(apart), v4), 60},
		{"openers to one address", rings(apart, same4), 20},
		{"openers to one /64", rings(apart, v6), 20},
		{"exempt connections of one address", func(d *Service, i int) bool {
			before := d.cfg.TCPPort.(*counter).exempted
			ask(d, together[i], hello{Record: together[i].Record(), TCP: true})
			return d.cfg.TCPPort.(*counter).exempted > before
		}, 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			system := actortest.NewSystem()
			c := &counter{known: map[enode.ID]*enode.Node{}}
			for i := range tries {
				c.known[targets[i].ID()], c.known[housed[i].ID()] = targets[i], housed[i]
			}
			d := New(Config{Line: c, TCPPort: c})
			stub := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
				if msg, ok := ctx.Message().(*openAsked); ok {
					msg.reply <- openAnswer{}
				}
			}))
			d.puncher.Store(&actorRef{system.Root, stub})
			chosen := func(enode.ID, time.Time) bool { return true }
			d.chosen.Store(&chosen)
			for minute := range 2 {
				got := 0
				for i := range tries {
					if tc.try(d, i) {
						got++
					}
				}
				if got != tc.want {
					t.Errorf("%s: %d of %d in minute %d, want %d", tc.name, got, tries, minute, tc.want)
				}
				if d.State().Refused != uint64((minute+1)*(tries-tc.want)) {
					t.Errorf("%s: %d messages are counted as refused", tc.name, d.State().Refused)
				}
				time.Sleep(time.Minute)
			}
			if d.Relaying() > 0 {
				t.Errorf("%s: %d rings stay under way", tc.name, d.Relaying())
			}
			if err := system.Root.StopFuture(stub).Wait(); err != nil {
				t.Error(err)
			}
			system.Shutdown()
		})
	}
}

// While targets do not answer, the rings under way are limited: in all, and for each target.
func TestRingsUnderWay(t *testing.T) {
	for _, tc := range []struct {
		name    string
		targets int
		want    int
	}{{"many targets", 50, 32}, {"one target", 1, 4}} {
		synctest.Test(t, func(t *testing.T) {
			c := &counter{known: map[enode.ID]*enode.Node{}, silence: make(chan struct{})}
			var targets []*enode.Node
			for i := range tc.targets {
				n := participant(t, netip.AddrFrom4([4]byte{30, 2, byte(i), 1}))
				targets, c.known[n.ID()] = append(targets, n), n
			}
			d := New(Config{Line: c})
			var all sync.WaitGroup
			for i := range 50 {
				caller := participant(t, netip.AddrFrom4([4]byte{30, 1, byte(i), 1}))
				all.Go(func() {
					where, _ := caller.UDPEndpoint()
					d.Handle(caller, where, encodeRequest(call{Target: targets[i%len(targets)].ID(), Padding: make([]byte, callPadding)}))
				})
			}
			synctest.Wait()
			if got := int(d.State().Relayed); got != tc.want {
				t.Errorf("%s: %d rings are under way, want %d", tc.name, got, tc.want)
			}
			close(c.silence)
			all.Wait()
			if d.Relaying() != 0 {
				t.Errorf("%s: %d rings stay under way", tc.name, d.Relaying())
			}
		})
	}
}
