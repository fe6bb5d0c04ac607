package node_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

var (
	bow    = wire.Cap{Name: "bow", Version: 1}
	second = netip.MustParseAddrPort("203.0.113.3:30303")
	errAny = errors.New("")
)

// offering runs a node with these protocols.
func offering(t *testing.T, world *nodetest.Network, on netip.AddrPort, specs ...protocols.Spec) *node.Node {
	t.Helper()
	return memNode(t, world, on, func(c *node.Config) { c.Specs = specs })
}

// capsWith returns what runs on a node's link to another node, "none" if there is no link.
func capsWith(n, other *node.Node) string {
	for _, p := range n.Peers() {
		if p.ID == other.ID() {
			return strings.Join(p.Caps, " ")
		}
	}
	return "none"
}

// saysInRecord says whether the record has version 1 of a protocol.
func saysInRecord(n *node.Node, protocol string) bool {
	var versions []uint
	return n.Self().Load(enr.WithEntry(protocol, &versions)) == nil && slices.Equal(versions, []uint{1})
}

// TestAddProtocol: new links run the added protocol, existing links don't change, and the record
// has the protocol.
func TestAddProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var book ledger
		n := offering(t, world, home, greetSpec("greet"))
		early := offering(t, world, friend, greetSpec("greet"), greetSpec("bow"))
		late := offering(t, world, second, greetSpec("bow"))
		w := nodetest.Watch(t, n)
		connectTo := func(other *node.Node) {
			t.Helper()
			if err := n.AddPeer(other.Self()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		connectTo(early)
		connectTo(late)
		if got := capsWith(n, early) + ", " + capsWith(n, late); got != "greet/1, none" {
			t.Errorf("the links run %s, want greet/1, none", got)
		}
		before := n.Self().Seq()

		added := servedSpec("bow", &book).Advertised()
		if err := n.AddProtocol(added); err != nil {
			t.Fatal(err)
		}
		if got := n.Info().Caps; !slices.Equal(got, []string{"greet/1", "bow/1"}) {
			t.Errorf("the node offers %v, want greet/1 and bow/1", got)
		}
		synctest.Wait()
		if got := book.String(); got != "bow started" {
			t.Errorf("the service received %q", got)
		}
		changed := w.Next(node.RecordChanged)
		if !saysInRecord(n, "bow") || changed.Record.Seq() != before+1 {
			t.Errorf("the record is %v with sequence number %d after %d", n.Self(), n.Self().Seq(), before)
		}
		time.Sleep(10 * time.Minute) // the dialer retries the useless node
		synctest.Wait()
		if got := capsWith(n, early) + ", " + capsWith(n, late); got != "greet/1, bow/1" {
			t.Errorf("the links run %s, want greet/1, bow/1", got)
		}
		if err := n.RemovePeer(early.ID()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		connectTo(early)
		if got := capsWith(n, early); got != "bow/1 greet/1" {
			t.Errorf("the new link runs %s, want bow/1 greet/1", got)
		}
		nodetest.Stop(t, n)
		if got, want := book.String(), "bow started, bow joined false, bow joined false, bow left, bow left, bow stopping"; got != want {
			t.Errorf("the service received\n%s\nwant\n%s", got, want)
		}
	})
}

// tooLarge are attributes that do not fit into a record.
func tooLarge() []enr.Entry { return []enr.Entry{enr.WithEntry("x", make([]byte, 300))} }

// TestAddProtocolRefuses: a call that fails changes nothing.
func TestAddProtocolRefuses(t *testing.T) {
	large := greetSpec("large")
	large.Attributes = tooLarge
	nothing := greetSpec("nothing")
	nothing.Versions = nil
	n, err := node.New(node.Config{Key: fixture.Key(t), Specs: []protocols.Spec{greetSpec("greet")}})
	if err != nil {
		t.Fatal(err)
	}
	want := func(err error, is error, says string) {
		t.Helper()
		if err == nil || is != errAny && !errors.Is(err, is) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %v with %q", err, is, says)
		}
	}
	want(n.AddProtocol(greetSpec("bow")), node.ErrNotRunning, "bow")
	want(n.RemoveProtocol("greet"), node.ErrNotRunning, "greet")
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(n.AddProtocol(greetSpec("greet")), node.ErrProtocolRuns, "greet")
	want(n.AddProtocol(nothing), errAny, "protocol nothing: no version")
	want(n.AddProtocol(large), errAny, "entries of protocols in the node record")
	want(n.RemoveProtocol("bow"), node.ErrNoProtocol, "bow")
	if got := n.Info().Caps; !slices.Equal(got, []string{"greet/1"}) {
		t.Errorf("the node offers %v, want greet/1", got)
	}
	nodetest.Stop(t, n)
	want(n.AddProtocol(servedSpec("bow", new(ledger))), node.ErrNotRunning, "bow")
	want(n.RemoveProtocol("greet"), node.ErrNotRunning, "greet")
}

// TestRemoveProtocol: a link that runs only the removed protocol ends. A link with other protocols
// keeps all of them, and the service runs until that link ends. A new protocol of the same name
// has a service of its own.
func TestRemoveProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var book, successor ledger
		n := offering(t, world, home, greetSpec("greet"), servedSpec("bow", &book).Advertised())
		both := offering(t, world, friend, greetSpec("greet"), greetSpec("bow"))
		alone := offering(t, world, second, greetSpec("bow"))
		for _, other := range []*node.Node{both, alone} {
			if err := other.AddPeer(n.Self()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		w, remote := nodetest.Watch(t, n), nodetest.Watch(t, alone)
		if err := n.RemoveProtocol("bow"); err != nil {
			t.Fatal(err)
		}
		if c := w.Next(node.PeerDropped).Cause; c.Side != actors.Local || c.Reason != wire.DiscUselessPeer || !errors.Is(c.Err, node.ErrProtocolRemoved) {
			t.Errorf("cause at the node: %v", c)
		}
		if c := remote.Next(node.PeerDropped).Cause; c.Side != actors.Remote || c.Reason != wire.DiscUselessPeer {
			t.Errorf("cause at the remote: %v", c)
		}
		time.Sleep(time.Hour) // the remote redials repeatedly
		synctest.Wait()
		if got := capsWith(n, both) + ", " + capsWith(n, alone); got != "bow/1 greet/1, none" {
			t.Errorf("the links run %s, want bow/1 greet/1, none", got)
		}
		if saysInRecord(n, "bow") || !slices.Equal(n.Info().Caps, []string{"greet/1"}) || len(n.Bans()) > 0 {
			t.Errorf("record %v, caps %v, bans %v", n.Self(), n.Info().Caps, n.Bans())
		}
		if err := n.AddProtocol(servedSpec("bow", &successor)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := capsWith(n, both) + ", " + capsWith(n, alone); got != "bow/1 greet/1, bow/1" {
			t.Errorf("after the protocol was added again, the links run %s", got)
		}
		if got, want := book.String(), "bow started, bow joined false, bow joined false, bow left"; got != want {
			t.Errorf("while a link runs the protocol, the service received\n%s\nwant\n%s", got, want)
		}
		if err := both.RemovePeer(n.ID()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := book.String(); !strings.HasSuffix(got, "bow left, bow left, bow stopping") {
			t.Errorf("after the last link, the service received %s", got)
		}
		if got := successor.String(); got != "bow started, bow joined false" {
			t.Errorf("the new service received %s", got)
		}
		nodetest.Stop(t, n)
		if got := successor.String(); got != "bow started, bow joined false, bow left, bow stopping" {
			t.Errorf("in the end the new service received %s", got)
		}
	})
}

// TestNoProtocolLeft: a link ends when its last protocol is removed. The node runs without any
// protocol until one is added.
func TestNoProtocolLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var book ledger
		n := offering(t, world, home, greetSpec("greet"), servedSpec("bow", &book))
		other := offering(t, world, friend, greetSpec("greet"), greetSpec("bow"))
		if err := other.AddPeer(n.Self()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, name := range []string{"bow", "greet"} {
			if err := n.RemoveProtocol(name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := n.PeerCount(); got != 1-i {
				t.Errorf("%d peers without %s, want %d", got, name, 1-i)
			}
		}
		if got := book.String(); got != "bow started, bow joined false, bow left, bow stopping" {
			t.Errorf("the service received %s", got)
		}
		if err := n.AddProtocol(greetSpec("greet")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := capsWith(other, n); got != "greet/1" {
			t.Errorf("the link runs %s, want greet/1", got)
		}
	})
}

// slowHello holds back the write after the auth, which has the Hello.
type slowHello struct {
	net.Conn
	writes int
	goOn   <-chan struct{}
}

func (c *slowHello) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 2 {
		<-c.goOn
	}
	return c.Conn.Write(p)
}

// TestRemovedDuringHandshake: a protocol that both Hellos have is removed before the link is up. No
// link is made, even if the Hellos have another protocol in common.
func TestRemovedDuringHandshake(t *testing.T) {
	for _, caps := range [][]wire.Cap{{bow}, {bow, greet}, {greet}} {
		t.Run(fmt.Sprint(caps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := nodetest.NewNetwork()
				var book ledger
				n := offering(t, world, home, greetSpec("greet"), servedSpec("bow", &book))
				goOn := make(chan struct{})
				conn := &slowHello{Conn: open(t, world, stranger, home), goOn: goOn}
				var c *nodetest.Client
				done := make(chan error)
				go func() {
					var err error
					c, err = nodetest.NewClient(conn, n, fixture.Key(t), caps...)
					done <- err
				}()
				synctest.Wait()
				if err := n.RemoveProtocol("bow"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := book.String(); got != "bow started, bow stopping" {
					t.Errorf("the service received %s", got)
				}
				close(goOn)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if !slices.Contains(caps, bow) {
					if n.PeerCount() != 1 {
						t.Error("a remote without the removed protocol is no peer")
					}
					return
				}
				if got := c.AwaitDisconnect(t); got != wire.DiscUselessPeer || n.PeerCount() != 0 {
					t.Errorf("Disconnect %v, %d peers; want useless peer and none", got, n.PeerCount())
				}
			})
		})
	}
}

// TestProtocolsChangeWhileLinksDo changes what a node offers while remotes connect and leave. It
// is mainly for the race detector.
func TestProtocolsChangeWhileLinksDo(t *testing.T) {
	var book ledger
	n := startNode(t, nil)
	other := startNode(t, func(c *node.Config) { c.Specs = append(c.Specs, greetSpec("bow")) })
	if err := other.AddPeer(n.Self()); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			if c, err := nodetest.DialClient(t, n, fixture.Key(t), greet, bow); err == nil {
				c.Close()
			}
		}
	}()
	for range 100 {
		if err := n.AddProtocol(servedSpec("bow", &book).Advertised()); err != nil {
			t.Error(err)
		}
		n.Info()
		if err := n.RemoveProtocol("bow"); err != nil {
			t.Error(err)
		}
	}
	<-done
	nodetest.Stop(t, n)
	got := book.String()
	if started, stopped := strings.Count(got, "started"), strings.Count(got, "stopping"); started != 100 || stopped != 100 {
		t.Errorf("%d services started and %d stopped, want 100", started, stopped)
	}
	if joined, left := strings.Count(got, "joined"), strings.Count(got, "left"); joined != left {
		t.Errorf("services received %d LinkJoined and %d LinkLeft", joined, left)
	}
}
