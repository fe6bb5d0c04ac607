//go:build conformance

package discovery

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"

	"github.com/troupe-p2p/troupe/actors"
)

// go-ethereum's own suites talk to the actor on a real socket.
func TestConformance(t *testing.T) {
	for suite, cases := range map[string]string{"discv4": "15/15", "discv5": "10/10"} {
		t.Run(suite, func(t *testing.T) {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			key := newKey(t)
			local := newLocal(t, key, conn.LocalAddr().String())
			defer local.Database().Close()
			props, err := Props(Config{Key: key, Local: local, Conns: []discover.UDPConn{conn}, V4: true, V5: true})
			if err != nil {
				t.Fatal(err)
			}
			system := actor.NewActorSystem()
			defer system.Shutdown()
			pid := system.Root.Spawn(props)
			args := []string{suite, "test", "--listen1", "127.0.0.1", "--listen2", "127.0.0.2"}
			if suite == "discv4" {
				args = append(args, "--remote")
			}
			out, err := exec.Command("devp2p", append(args, local.Node().String())...).CombinedOutput()
			actors.Send(system.Root, pid, &Leave{})
			if err := system.Root.PoisonFuture(pid).Wait(); err != nil {
				t.Error(err)
			}
			t.Logf("%s", out)
			if err != nil || !strings.Contains(string(out), cases+" tests passed") {
				t.Errorf("devp2p %s test: %v; want %s", suite, err, cases)
			}
		})
	}
}
