package node_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/protocols"
)

// newNode makes a node with these protocols, and does not start it.
func newNode(t *testing.T, edit func(*node.Config), specs ...protocols.Spec) *node.Node {
	t.Helper()
	cfg := node.Config{Key: fixture.Key(t), Listen: []netip.AddrPort{nodetest.Loopback}, Specs: append(specs, greetSpec("greet"))}
	if edit != nil {
		edit(&cfg)
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// waitingSpec is a protocol whose Provision waits until its context ends.
func waitingSpec(begun chan<- struct{}) protocols.Spec {
	s := greetSpec("slow")
	s.Provision = func(ctx context.Context, _ *protocols.Env) error {
		close(begun)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return s
}

// TestFailedStart: it stops the node, whatever failed, and frees what the start had opened.
func TestFailedStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	errDisk := errors.New("no disk")
	broken := greetSpec("broken")
	broken.Provision = func(context.Context, *protocols.Env) error { return errDisk }
	crashing := greetSpec("crashing")
	crashing.Provision = func(_ context.Context, env *protocols.Env) error {
		env.Cleanup(func() { panic(errDisk) })
		return errDisk
	}
	cleaning := greetSpec("cleaning")
	cleaning.Provision = func(_ context.Context, env *protocols.Env) error {
		env.Cleanup(func() { panic(errDisk) })
		return nil
	}
	wrong := greetSpec("wrong")
	wrong.Provision = func(context.Context, *protocols.Env) error { return nil }
	wrong.Attributes = func() []enr.Entry { panic(errDisk) }
	for name, tt := range map[string]struct {
		edit  func(*node.Config)
		specs []protocols.Spec
		want  string
	}{
		"port":                 {func(c *node.Config) { c.Listen = []netip.AddrPort{addrOf(taken)} }, nil, "address already in use"},
		"admin API":            {func(c *node.Config) { c.Admin.HTTP = &node.AdminHTTP{Addr: taken.Addr().String(), HTTP: true} }, nil, "admin API: "},
		"Provision":            {nil, []protocols.Spec{broken}, "protocol broken: provision: no disk"},
		"Cleanup":              {nil, []protocols.Spec{crashing}, "protocol crashing: provision: no disk"},
		"another's Cleanup":    {nil, []protocols.Spec{cleaning, broken}, "protocol broken: provision: no disk"},
		"panics in Attributes": {nil, []protocols.Spec{wrong}, "protocol wrong: attributes: panic: no disk"},
	} {
		t.Run(name, func(t *testing.T) {
			var opened net.Listener
			n := newNode(t, func(c *node.Config) {
				c.ListenFunc = func(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
					ln, err := new(net.ListenConfig).Listen(ctx, "tcp", at.String())
					opened = ln
					return ln, err
				}
				if tt.edit != nil {
					tt.edit(c)
				}
			}, tt.specs...)
			events := n.Subscribe(t.Context())
			if err := n.Start(context.Background()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Start: %v, want %q", err, tt.want)
			}
			<-n.Done()
			for range events { // closes
			}
			if err := n.Start(context.Background()); !errors.Is(err, node.ErrStopped) {
				t.Errorf("Start after a failure: %v, want %v", err, node.ErrStopped)
			}
			if err := n.Stop(ended()); err != nil {
				t.Errorf("Stop: %v", err)
			}
			if n.LocalURL() != "" {
				t.Errorf("the node has the URL %s", n.LocalURL())
			}
			if opened != nil {
				if _, err := net.Dial("tcp", opened.Addr().String()); err == nil {
					t.Error("the port is open")
				}
			}
		})
	}
}

func addrOf(ln net.Listener) netip.AddrPort { return netip.MustParseAddrPort(ln.Addr().String()) }

// TestStopAgain: a second Stop returns nil even if its context has ended: the node has stopped.
func TestStopAgain(t *testing.T) {
	running := startNode(t, nil)
	for _, n := range []*node.Node{running, newNode(t, nil)} {
		nodetest.Stop(t, n)
		for range 30 { // select chooses at random
			if err := n.Stop(ended()); err != nil {
				t.Fatalf("Stop of a stopped node: %v", err)
			}
		}
	}
}

// TestDuringStart: while a protocol prepares, the node's methods answer at once, and a second
// Start is an error. The end of the context of Start, or Stop, ends the start.
func TestDuringStart(t *testing.T) {
	errEnough := errors.New("enough")
	for name, tt := range map[string]struct {
		end  func(n *node.Node, cancel context.CancelCauseFunc)
		want error
	}{
		"Stop": {func(n *node.Node, _ context.CancelCauseFunc) { nodetest.Stop(t, n) }, node.ErrStopped},
		// The start goes on until Provision returns.
		"Stop without time":      {func(n *node.Node, _ context.CancelCauseFunc) { _ = n.Stop(ended()) }, node.ErrStopped},
		"the end of the context": {func(_ *node.Node, cancel context.CancelCauseFunc) { cancel(errEnough) }, errEnough},
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			n := newNode(t, nil, waitingSpec(begun))
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			started := make(chan error)
			go func() { started <- n.Start(ctx) }()
			<-begun
			if n.Info().ID != n.ID() || n.State().Peers.Peers != 0 || n.LocalURL() != "" {
				t.Errorf("the node says %+v, %+v, %s", n.Info(), n.State(), n.LocalURL())
			}
			if err := n.Start(context.Background()); !errors.Is(err, node.ErrStarted) {
				t.Errorf("second Start: %v", err)
			}
			if err := n.AddPeer(enode.NewV4(&fixture.Key(t).PublicKey, nil, 0, 0)); !errors.Is(err, node.ErrNotRunning) {
				t.Errorf("AddPeer: %v", err)
			}
			tt.end(n, cancel)
			if err := <-started; !errors.Is(err, tt.want) {
				t.Errorf("Start: %v, want %v", err, tt.want)
			}
			<-n.Done()
		})
	}
}

// TestProvisionCallsTheNode: it may, without a deadlock, when the node starts and when the
// protocol is added.
func TestProvisionCallsTheNode(t *testing.T) {
	var n *node.Node
	curious := greetSpec("curious")
	errs := map[string]error{}
	curious.Provision = func(context.Context, *protocols.Env) error {
		n.State()
		errs["add another"] = n.AddProtocol(greetSpec("another"))
		errs["add itself"] = n.AddProtocol(greetSpec("curious"))
		errs["remove"] = n.RemoveProtocol("greet")
		return nil
	}
	check := func(want map[string]error) {
		t.Helper()
		for what, err := range errs {
			if !errors.Is(err, want[what]) {
				t.Errorf("%s: %v, want %v", what, err, want[what])
			}
		}
	}
	n = newNode(t, nil, curious)
	if err := n.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	check(map[string]error{"add another": node.ErrNotRunning, "add itself": node.ErrNotRunning, "remove": node.ErrNotRunning})
	nodetest.Stop(t, n)
	n = startNode(t, nil)
	if err := n.AddProtocol(curious); err != nil {
		t.Fatal(err)
	}
	check(map[string]error{"add itself": node.ErrProtocolRuns})
	if got := n.Info().Caps; strings.Join(got, " ") != "another/1 curious/1" {
		t.Errorf("the node offers %v", got)
	}
}

// TestAttributesPanic: it is an error of AddProtocol. What Provision began is cleaned up, and
// the repaired protocol may be added and gets the directory.
func TestAttributesPanic(t *testing.T) {
	errBroken := errors.New("broken")
	n := startNode(t, func(c *node.Config) { c.DataDir = t.TempDir() })
	var book ledger
	spec := keptSpec("kept", &book)
	wrong := spec
	wrong.Attributes = func() []enr.Entry { panic(errBroken) }
	if err := n.AddProtocol(wrong); !errors.Is(err, errBroken) {
		t.Errorf("AddProtocol: %v, want %v", err, errBroken)
	}
	if got, want := book.String(), "kept in kept, kept clean"; got != want {
		t.Errorf("the protocol recorded %s, want %s", got, want)
	}
	if err := n.AddProtocol(spec); err != nil {
		t.Errorf("AddProtocol of the repaired protocol: %v", err)
	}
}
