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
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

var (
	bow    = wire.Cap{Name: "bow", Version: 1}
	second = netip.MustParseAddrPort("203.0.113.3:30303")
	errAny = errors.New("")
)

// offering is a node that speaks these protocols.
func offering(t *testing.T, world *nodetest.Network, on netip.AddrPort, specs ...protocols.Spec) *node.Node {
	t.Helper()
	return memNode(t, world, on, func(c *node.Config) { c.Specs = specs })
}

// capsWith gives what runs on a node's link to another, "none" if there is no link.
func capsWith(n, other *node.Node) string {
	for _, p := range n.Peers() {
		if p.ID == other.ID() {
			return strings.Join(p.Caps, " ")
		}
	}
	return "none"
}

func saysInRecord(n *node.Node, protocol string) bool {
	var versions []uint
	return n.Self().Load(enr.WithEntry(protocol, &versions)) == nil && slices.Equal(versions, []uint{1})
}

// TestAddProtocol: links that come have it, links that are there stay as they are, and the
// record says it.
func TestAddProtocol(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := nodetest.NewNetwork()
		var book ledger
		n := offering(t, world, home, greetSpec("greet"))
		early := offering(t, world, friend, greetSpec("greet"), greetSpec("bow"))
		late := offering(t, world, second, greetSpec("bow"))
		w := watch(t, n)
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
			t.Errorf("at first there run %s", got)
		}
		before := n.Self().Seq()

		added := servedSpec("bow", &book).Advertised()
		if err := n.AddProtocol(added); err != nil {
			t.Fatal(err)
		}
		if got := n.Info().Caps; !slices.Equal(got, []string{"greet/1", "bow/1"}) {
			t.Errorf("the node offers %v", got)
		}
		synctest.Wait()
		if got := book.String(); got != "bow started" {
			t.Errorf("the service has been told %q", got)
		}
		changed := w.next(node.RecordChanged)
		if !saysInRecord(n, "bow") || changed.Record.Seq() != before+1 {
			t.Errorf("the record is %v, number %d after %d", n.Self(), n.Self().Seq(), before)
		}
		time.Sleep(10 * time.Minute) // the dialer tries again what was useless
		synctest.Wait()
		if got := capsWith(n, early) + ", " + capsWith(n, late); got != "greet/1, bow/1" {
			t.Errorf("then there run %s", got)
		}
		if err := n.RemovePeer(early.ID()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		connectTo(early)
		if got := capsWith(n, early); got != "bow/1 greet/1" {
			t.Errorf("on a new link there run %s", got)
		}
		stopNode(t, n)
		if got, want := book.String(), "bow started, bow joined false, bow joined false, bow left, bow left, bow stopping"; got != want {
			t.Errorf("the service was told\n%s\nwant\n%s", got, want)
		}
	})
}

// tooLarge are attributes that do not fit into a record.
func tooLarge() []enr.Entry { return []enr.Entry{enr.WithEntry("x", make([]byte, 300))} }

// TestAddProtocolRefuses: nothing changes by what can't be.
func TestAddProtocolRefuses(t *testing.T) {
	large := greetSpec("large")
	large.Attributes = tooLarge
	nothing := greetSpec("nothing")
	nothing.Versions = nil
	n, err := node.New(node.Config{Key: newKey(t), Specs: []protocols.Spec{greetSpec("greet")}})
	if err != nil {
		t.Fatal(err)
	}
	want := func(err error, is error, says string) {
		t.Helper()
		if err == nil || is != errAny && !errors.Is(err, is) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to be %v and to say %q", err, is, says)
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
		t.Errorf("the node offers %v", got)
	}
	stopNode(t, n)
	want(n.AddProtocol(servedSpec("bow", new(ledger))), node.ErrNotRunning, "bow")
	want(n.RemoveProtocol("greet"), node.ErrNotRunning, "greet")
}

// TestRemoveProtocol: a link that has nothing else ends, one that has goes on with what was
// agreed on, and the service lives as long as that. Another protocol of the name has a
// service of its own.
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
		w, remote := watch(t, n), watch(t, alone)
		if err := n.RemoveProtocol("bow"); err != nil {
			t.Fatal(err)
		}
		if c := w.next(node.PeerDropped).Cause; c.Side != actors.Local || c.Reason != wire.DiscUselessPeer || !errors.Is(c.Err, node.ErrProtocolRemoved) {
			t.Errorf("the link ended here with %v", c)
		}
		if c := remote.next(node.PeerDropped).Cause; c.Side != actors.Remote || c.Reason != wire.DiscUselessPeer {
			t.Errorf("the link ended there with %v", c)
		}
		time.Sleep(time.Hour) // it tries again and again
		synctest.Wait()
		if got := capsWith(n, both) + ", " + capsWith(n, alone); got != "bow/1 greet/1, none" {
			t.Errorf("there run %s", got)
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
			t.Errorf("after it was added again there run %s", got)
		}
		if got, want := book.String(), "bow started, bow joined false, bow joined false, bow left"; got != want {
			t.Errorf("while a link has it, the service was told\n%s\nwant\n%s", got, want)
		}
		if err := both.RemovePeer(n.ID()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := book.String(); !strings.HasSuffix(got, "bow left, bow left, bow stopping") {
			t.Errorf("after the last link, the service was told %s", got)
		}
		if got := successor.String(); got != "bow started, bow joined false" {
			t.Errorf("the new service was told %s", got)
		}
		stopNode(t, n)
		if got := successor.String(); got != "bow started, bow joined false, bow left, bow stopping" {
			t.Errorf("in the end the new service was told %s", got)
		}
	})
}

// TestNoProtocolLeft: what two protocols had in common goes with the second, and the node
// goes on without any until there is one.
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
			t.Errorf("the service was told %s", got)
		}
		if err := n.AddProtocol(greetSpec("greet")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := capsWith(other, n); got != "greet/1" {
			t.Errorf("in the end there run %s", got)
		}
	})
}

// slowHello holds back what follows the auth.
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

// TestRemovedDuringHandshake: the two Hellos have agreed on it, but no link comes of them,
// whether they have something else in common or not.
func TestRemovedDuringHandshake(t *testing.T) {
	for _, caps := range [][]wire.Cap{{bow}, {bow, greet}, {greet}} {
		t.Run(fmt.Sprint(caps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := nodetest.NewNetwork()
				var book ledger
				n := offering(t, world, home, greetSpec("greet"), servedSpec("bow", &book))
				goOn := make(chan struct{})
				c := &client{Conn: &slowHello{Conn: open(t, world, stranger, home), goOn: goOn}}
				done := make(chan error)
				go func() {
					var err error
					c.Session, err = shake(c.Conn, newKey(t), n, caps...)
					done <- err
				}()
				synctest.Wait()
				if err := n.RemoveProtocol("bow"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := book.String(); got != "bow started, bow stopping" {
					t.Errorf("the service was told %s", got)
				}
				close(goOn)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if !slices.Contains(caps, bow) {
					if n.PeerCount() != 1 {
						t.Error("one that did not want it is no peer")
					}
					return
				}
				if got := c.awaitDisconnect(t); got != wire.DiscUselessPeer || n.PeerCount() != 0 {
					t.Errorf("told %v, with %d peers", got, n.PeerCount())
				}
			})
		})
	}
}

// TestProtocolsComeAndGo changes what a node offers while others come in and go, which
// must not trouble anybody; it is for the race detector above all.
func TestProtocolsComeAndGo(t *testing.T) {
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
			if s, err := connect(t, n, newKey(t), greet, bow); err == nil {
				s.Close()
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
	stopNode(t, n)
	got := book.String()
	if started, stopped := strings.Count(got, "started"), strings.Count(got, "stopping"); started != 100 || stopped != 100 {
		t.Errorf("%d services started and %d stopped, want 100", started, stopped)
	}
	if joined, left := strings.Count(got, "joined"), strings.Count(got, "left"); joined != left {
		t.Errorf("services were told of %d links that came and %d that went", joined, left)
	}
}
