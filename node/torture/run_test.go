package torture

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
)

// victim runs a node with a socket, and with discovery on loopback.
func victim(t *testing.T) (*node.Node, Target) {
	dir, err := os.MkdirTemp("", "t") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	ipc := filepath.Join(dir, "s")
	n := nodetest.Start(t, func(c *node.Config) {
		c.Specs, c.Admin.IPC = []protocols.Spec{bench.Spec()}, ipc
		c.Discovery = &node.Discovery{V4: true, V5: true}
	})
	self, err := enode.ParseV4(n.LocalURL())
	if err != nil {
		t.Fatal(err)
	}
	return n, Target{self, ipc}
}

func attacksNamed(t *testing.T, names string) []Attack {
	t.Helper()
	list, err := Select(strings.Split(names, ","))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRun attacks a real node by real sockets, beside another one, and prints a report.
func TestRun(t *testing.T) {
	_, target := victim(t)
	_, beside := victim(t)
	duration := 2 * time.Second
	if actortest.Race {
		duration = 6 * time.Second // for the slowest attacker's first action
	}
	r, err := Run(t.Context(), Config{
		Target: target, Beside: &beside, Attacks: attacksNamed(t, "bomb,bomb-echo,bomb-ping,handshakes,disconnects,replay,twice,v4,v5"), Together: true,
		Rates:     map[string]float64{"v4": 50, "v5": 50, "handshakes": 2},
		Attackers: 1, Honest: 2, Duration: duration, Bounds: Bounds{Memory: 1 << 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 9 || r.Broken() || r.Quiet.PerSecond == 0 {
		t.Errorf("%+v", r)
	}
	for _, res := range r.Results {
		if res.NotRun != "" || res.Traffic.Actions == 0 || res.Traffic.Sent == 0 || res.Baseline.PerSecond == 0 || res.During.PerSecond == 0 {
			t.Errorf("%+v", res)
		}
		if res.Memory.Known && res.Memory.Before == 0 {
			t.Errorf("%+v", res.Memory)
		}
	}
	var text bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ATTACK ", "attack on the other node", "already connected", "perhaps after a replayed auth"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, text.String())
		}
	}
}

// TestRefusals: nothing is sent to a node that is not proved to be the user's own.
func TestRefusals(t *testing.T) {
	n, target := victim(t)
	_, other := victim(t)
	accepted := n.State().Setup.Accepted
	at := func(ip string, tcp, udp int) *enode.Node {
		return enode.NewV4(target.Node.Pubkey(), netip.MustParseAddr(ip).AsSlice(), tcp, udp)
	}
	port, udp := target.Node.TCP(), target.Node.UDP()
	for name, tt := range map[string]struct {
		target Target
		want   string
	}{
		"no socket":              {Target{target.Node, target.IPC + "x"}, "no node serves the socket"},
		"socket of another node": {Target{target.Node, other.IPC}, "has the ID"},
		"foreign address":        {Target{at("192.0.2.1", port, udp), target.IPC}, "does not have the address 192.0.2.1"},
		"another UDP port":       {Target{at("127.0.0.1", port, udp+1), target.IPC}, "UDP port"},
		"port of another node":   {Target{at("127.0.0.1", other.Node.TCP(), udp), target.IPC}, "no handshake with the node"},
		"no address":             {Target{enode.NewV4(target.Node.Pubkey(), nil, 0, 0), target.IPC}, "no TCP endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), Config{
				Target: tt.target, Attacks: All(), Attackers: 1, Honest: 1, Duration: time.Second,
			})
			if !errors.Is(err, ErrNotOwned) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if now := n.State().Setup.Accepted; now != accepted {
		t.Errorf("%d connections were made", now-accepted)
	}
}

// TestAnotherProcess: a node that was restarted has to be proved again.
func TestAnotherProcess(t *testing.T) {
	_, target := victim(t)
	o, err := prove(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.still(t.Context()); err != nil {
		t.Error(err)
	}
	if o.process == (process{}) {
		t.Skip("this system does not say which process serves a socket")
	}
	o.process.start += "0"
	if err := o.still(t.Context()); !errors.Is(err, ErrNotOwned) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
}

// TestEndsWithTheNode: the attack stops when the node does.
func TestEndsWithTheNode(t *testing.T) {
	n, target := victim(t)
	done := make(chan error, 1)
	go func() {
		_, err := Run(context.Background(), Config{
			Target: target, Attacks: attacksNamed(t, "handshakes"), Attackers: 1, Honest: 1, Duration: actortest.Patience,
		})
		done <- err
	}()
	actortest.Eventually(t, "the run has begun", func() bool { return n.PeerCount() > 0 })
	nodetest.Stop(t, n)
	if err := actortest.Receive(t, done); err == nil || !strings.Contains(err.Error(), "the node ended the subscription") {
		t.Errorf("got %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	_, err := Run(t.Context(), Config{Rates: map[string]float64{"pings": 0, "nukes": 1}, Attackers: 5000, Duration: time.Hour})
	for _, want := range []string{"no node", "no attack", "5000 attackers", "0 honest links", "duration 1h0m0s", "rate of pings 0", `unknown attack "nukes"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
