//go:build conformance

package discovery

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// TestConformanceTalkAtFullSpeed sends TALKREQs at full speed through the kernel, from more
// sessions than the queue has shares. It measures how many pings of a known node and of new nodes
// are answered meanwhile, and the memory.
func TestConformanceTalkAtFullSpeed(t *testing.T) {
	conn := listenLoopback(t, "udp4", "127.0.0.1")
	key := fixture.Key(t)
	local := newLocal(t, key, conn.LocalAddr().String())
	defer local.Database().Close()
	d, err := New(Config{
		Key: key, Local: local, Conns: []discover.UDPConn{conn}, V5: true,
		Talk: map[string]TalkHandler{talk: func(_ *enode.Node, _ netip.AddrPort, request []byte) []byte { return request[:1] }},
	})
	if err != nil {
		t.Fatal(err)
	}
	system := actortest.NewSystem()
	defer system.Shutdown()
	s := &stage{t: t, root: system.Root, stopped: make(chan struct{})}
	s.spawn(d)
	defer system.Root.Stop(s.tops[0])
	s.status()

	listen := func() (v5 *discover.UDPv5, end func()) {
		conn, key := listenLoopback(t, "udp4", "127.0.0.1"), fixture.Key(t)
		l := newLocal(t, key, conn.LocalAddr().String())
		v5, err := discover.ListenV5(conn, l, discover.Config{PrivateKey: key})
		if err != nil {
			t.Fatal(err)
		}
		return v5, func() { v5.Close(); l.Database().Close() }
	}
	friend, end := listen()
	defer end()
	if _, err := friend.Ping(local.Node()); err != nil {
		t.Fatal(err)
	}
	const lasts, flooders = 10 * time.Second, 2*queueLen/queueShare + 1
	var (
		over atomic.Bool
		sent = make(chan int)
		all  []*flooder
	)
	for range flooders {
		conn := listenLoopback(t, "udp4", "127.0.0.1")
		defer conn.Close()
		all = append(all, newFlooder(t, conn, local.Node()))
	}
	before := heap()
	go func() {
		n := 0
		for ; !over.Load(); n++ {
			f := all[n%flooders]
			f.send(f.encode(&v5wire.TalkRequest{ReqID: []byte{byte(n)}, Protocol: talk, Message: junk(100)}, nil))
		}
		sent <- n
	}()
	var pings, answered, met, strangers int
	var longest time.Duration
	for start := time.Now(); time.Since(start) < lasts; pings++ {
		at := time.Now()
		if _, err := friend.Ping(local.Node()); err == nil {
			answered++
			longest = max(longest, time.Since(at))
		}
		if pings%8 == 0 {
			stranger, end := listen()
			strangers++
			if _, err := stranger.Ping(local.Node()); err == nil {
				met++
			}
			end()
		}
	}
	over.Store(true)
	total, after, st := <-sent, heap(), s.status()
	t.Logf("%d TALKREQs in %v, %d packets read, dropped %v, %d refused; %d of %d pings answered, the longest in %v; %d of %d strangers answered; heap %d KiB before, %d KiB after",
		total, lasts, st.Packets, st.Dropped, st.TalksRefused, answered, pings, longest, met, strangers, before>>10, after>>10)
	if answered < pings*9/10 || met < strangers*9/10 || after-before > 16<<20 {
		t.Error("the flood of TALKREQs stops the node or makes its heap grow")
	}
	supervise.Send(system.Root, s.pid, &Leave{})
	<-s.stopped
}
