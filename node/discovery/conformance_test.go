//go:build conformance

package discovery

import (
	"net"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// TestConformanceJunkAtFullSpeed sends junk at full speed through the kernel. It measures how many
// packets are sent and read, how many pings from outside are answered meanwhile, and the memory.
func TestConformanceJunkAtFullSpeed(t *testing.T) {
	key4 := fixture.Key(t)
	conn4 := listenLoopback(t, "udp4", "127.0.0.1")
	geth := newLocal(t, key4, conn4.LocalAddr().String())
	defer geth.Database().Close()
	v4, err := discover.ListenV4(conn4, geth, discover.Config{PrivateKey: key4})
	if err != nil {
		t.Fatal(err)
	}
	defer v4.Close()

	conn := listenLoopback(t, "udp4", "127.0.0.1")
	key := fixture.Key(t)
	local := newLocal(t, key, conn.LocalAddr().String())
	defer local.Database().Close()
	d, err := New(Config{
		Key: key, Local: local, Conns: []discover.UDPConn{conn}, V4: true, V5: true, Bootnodes: []*enode.Node{geth.Node()},
	})
	if err != nil {
		t.Fatal(err)
	}
	system := actortest.NewSystem()
	defer system.Shutdown()
	s := &stage{t: t, root: system.Root, stopped: make(chan struct{})}
	s.spawn(d)
	defer system.Root.Stop(s.tops[0])
	s.asker = system.Root.Spawn(actor.PropsFromFunc(s.Receive))
	s.ask(MaxCredit)

	flooder, err := net.DialUDP("udp4", nil, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer flooder.Close()
	const lasts = 10 * time.Second
	kinds := [][]byte{junk(300), junk(1280), v4Signed(t), v5Unknown(t, local)}
	before, sent := heap(), make(chan int)
	go func() {
		n := 0
		for end := time.Now().Add(lasts); time.Now().Before(end); n++ {
			// A failed write is one packet less.
			_, _ = flooder.Write(kinds[n%len(kinds)])
		}
		sent <- n
	}()
	pings, answered, total := 0, 0, -1
	for total < 0 {
		pings++
		if _, err := v4.Ping(local.Node()); err == nil {
			answered++
		}
		select {
		case total = <-sent:
		case <-time.After(50 * time.Millisecond):
		}
	}
	after := heap()
	st := s.status()
	t.Logf("%d packets of junk in %v, %d read, dropped %v; %d of %d pings answered; v4 %+v; %d found; heap %d KiB before, %d KiB after",
		total, lasts, st.Packets, st.Dropped, answered, pings, st.V4, st.Sources[SourceV4].Found, before>>10, after>>10)
	if answered == 0 || st.V4.Live != 1 || after-before > 16<<20 {
		t.Error("the flood of junk stops the node or makes its heap grow")
	}
	supervise.Send(system.Root, s.pid, &Leave{})
	<-s.stopped
}
