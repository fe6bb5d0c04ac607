package node_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/nat"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/node/punch"
	"github.com/troupe-p2p/troupe/protocols"
)

// pmpRouter is a NAT-PMP router (RFC 6886) on a loopback address. It grants every mapping, at the
// requested port plus shift.
type pmpRouter struct {
	addr   string
	shift  uint16
	mapped atomic.Int64 // mappings granted less mappings deleted
}

// newPMPRouter runs a router until the test ends.
func newPMPRouter(t *testing.T, addr string, shift uint16) *pmpRouter {
	t.Helper()
	at := net.UDPAddr{IP: net.ParseIP(addr).To4(), Port: 5351}
	conn, err := net.ListenUDP("udp4", &at)
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 20; tries++ { // the same test runs in another process
		at.IP[1] += 10
		conn, err = net.ListenUDP("udp4", &at)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &pmpRouter{addr: at.IP.String(), shift: shift}
	go func() {
		buf := make([]byte, 64)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if answer := r.answer(buf[:n]); answer != nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from) // the node asks again
			}
		}
	}()
	return r
}

func (r *pmpRouter) answer(q []byte) []byte {
	if len(q) < 2 || q[0] != 0 {
		return nil // a PCP request
	}
	b := []byte{0, q[1] | 128, 0, 0, 0, 0, 1, 0} // version, opcode, result, epoch
	if q[1] == 0 {
		return append(b, 30, 10, 10, 1)
	}
	internal, external := binary.BigEndian.Uint16(q[4:]), binary.BigEndian.Uint16(q[6:])
	lifetime := binary.BigEndian.Uint32(q[8:])
	if lifetime == 0 {
		r.mapped.Add(-1)
	} else if external == internal { // a new mapping, not a renewal
		r.mapped.Add(1)
		external += r.shift
	}
	b = binary.BigEndian.AppendUint16(b, internal)
	b = binary.BigEndian.AppendUint16(b, external)
	return binary.BigEndian.AppendUint32(b, lifetime)
}

// TestNodeBehindARouter: the node announces what the router grants, keeps it in the data
// directory, and deletes it when it stops.
func TestNodeBehindARouter(t *testing.T) {
	router := newPMPRouter(t, "127.6.1.1", 1)
	dir := t.TempDir()
	n := startNode(t, func(c *node.Config) { c.NAT, c.DataDir = "pmp:"+router.addr, dir })
	local := n.LocalURL()
	actortest.Eventually(t, "the record has the router's address", func() bool { return n.Self().IPAddr().String() == "30.10.10.1" })
	inside := netip.MustParseAddrPort(n.LocalURL()[len("enode://")+128+1:])
	if at, _ := n.Self().TCPEndpoint(); at.Port() != inside.Port()+1 {
		t.Errorf("the record has %v, the router granted port %d", at, inside.Port()+1)
	}
	if n.LocalURL() != local || n.URL() == local {
		t.Errorf("local URL %s, was %s; URL %s", n.LocalURL(), local, n.URL())
	}
	first := n.Self()
	var kept node.NATStatus
	actortest.Eventually(t, "the data directory has the mappings", func() bool {
		var err error
		kept, err = node.ReadNATStatus(dir)
		return err == nil && kept.Status.State == nat.Mapped
	})
	if s, ok := n.NAT(); !ok || s.State != nat.Mapped || len(s.Ports) != 2 {
		t.Errorf("status %+v", s)
	}
	if r, err := node.ReadRecord(dir); err != nil || r.String() != first.String() {
		t.Errorf("kept %v (%v), want %v", r, err, first)
	}
	begin := time.Now()
	nodetest.Stop(t, n)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if left := router.mapped.Load(); left != 0 {
		t.Errorf("%d mappings left behind", left)
	}
	if _, err := node.ReadNATStatus(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the status file still exists: %v", err)
	}
}

// TestMappedNodeIsOpen: the record of a mapped node says that it is open.
func TestMappedNodeIsOpen(t *testing.T) {
	router := newPMPRouter(t, "127.6.1.3", 1)
	n := startNode(t, func(c *node.Config) { c.NAT, c.Discovery = "pmp:"+router.addr, &node.Discovery{V5: true} })
	actortest.Eventually(t, "the record says that the node is open", func() bool {
		nat, ok := punch.Takes(n.Self())
		return ok && nat == punch.Open
	})
	udp, _ := n.Self().UDPEndpoint()
	tcp, _ := n.Self().TCPEndpoint()
	if udp != tcp || udp.Addr().String() != "30.10.10.1" {
		t.Errorf("UDP endpoint %v, TCP endpoint %v, want the same at 30.10.10.1", udp, tcp)
	}
}

func TestRecordChangesArePublished(t *testing.T) {
	router := newPMPRouter(t, "127.6.1.2", 0)
	n, err := node.New(node.Config{
		Key: fixture.Key(t), Listen: []netip.AddrPort{nodetest.Loopback}, Specs: []protocols.Spec{greetSpec("greet")}, NAT: "pmp:" + router.addr,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := nodetest.Watch(t, n)
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nodetest.Stop(t, n) })
	if e := w.Next(node.RecordChanged); e.Record.IPAddr().String() != "30.10.10.1" || e.Record != n.Self() {
		t.Errorf("the event has %v, the record is %v", e.Record, n.Self())
	}
}

// TestRecordFollowsTheName: with extip:HOST the record has the addresses of the name, which may
// resolve late and change.
func TestRecordFollowsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var addrs []netip.Addr
		set := func(list ...string) {
			mu.Lock()
			defer mu.Unlock()
			addrs = nil
			for _, text := range list {
				addrs = append(addrs, netip.MustParseAddr(text))
			}
		}
		n := memNode(t, nodetest.NewNetwork(), home, func(c *node.Config) {
			c.NAT = "extip:home.example"
			c.LookupHost = func(_ context.Context, host string) ([]netip.Addr, error) {
				mu.Lock()
				defer mu.Unlock()
				if host != "home.example" || len(addrs) == 0 {
					return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
				}
				return addrs, nil
			}
		})
		expect := func(what, ip4, ip6 string, changed bool) {
			t.Helper()
			before := n.Self().Seq()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			var got [2]netip.Addr
			_, _ = n.Self().Load((*enr.IPv4Addr)(&got[0])), n.Self().Load((*enr.IPv6Addr)(&got[1]))
			for i, want := range []string{ip4, ip6} {
				if want == "" && got[i].IsValid() || want != "" && got[i].String() != want {
					t.Errorf("%s: the record has %v, want %q and %q", what, got, ip4, ip6)
				}
			}
			if tcp, ok := n.Self().TCPEndpoint(); !ok || tcp.Port() != home.Port() {
				t.Errorf("%s: the TCP endpoint is %v", what, tcp)
			}
			if (n.Self().Seq() != before) != changed {
				t.Errorf("%s: sequence number %d, was %d", what, n.Self().Seq(), before)
			}
		}
		expect("no such name", home.Addr().String(), "", false)
		set("2a00::1", "30.1.1.1")
		expect("both families", "30.1.1.1", "2a00::1", true)
		set("30.1.1.1", "2a00::1")
		expect("another order", "30.1.1.1", "2a00::1", false)
		set("30.1.1.2", "2a00::1")
		expect("a new address", "30.1.1.2", "2a00::1", true)
		set()
		expect("no answer", "30.1.1.2", "2a00::1", false)
		if s, ok := n.NAT(); !ok || s.External.IP.String() != "30.1.1.2" || s.External.Other.String() != "2a00::1" || s.State != nat.Mapped {
			t.Errorf("status %+v", s)
		}
		nodetest.Stop(t, n)
	})
}

func TestNoSuchNAT(t *testing.T) {
	_, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}, NAT: "telepathy"})
	if err == nil {
		t.Error("New accepted an unknown NAT method")
	}
}
