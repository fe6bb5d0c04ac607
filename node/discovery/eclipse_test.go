package discovery

import (
	"crypto/ecdsa"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// crowd is a group of colluding v4 nodes at addresses of one /24: they answer every ping, and to
// every request for nodes they name only one another.
type crowd struct {
	s     *stage
	ends  []*simEnd
	keys  []*ecdsa.PrivateKey
	nodes []v4wire.Node
}

const crowdNet = "8.8.8."

func newCrowd(s *stage, n int) *crowd {
	c := &crowd{s: s}
	for i := range n {
		key := fixture.Key(s.t)
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, 8, byte(i)}), uint16(30000+i))
		c.keys, c.ends = append(c.keys, key), append(c.ends, s.net.listen(at.String()))
		c.nodes = append(c.nodes, v4wire.Node{IP: net.IP(at.Addr().AsSlice()), UDP: at.Port(), TCP: at.Port(), ID: v4wire.EncodePubkey(&key.PublicKey)})
	}
	for i := range n {
		go c.answer(i)
		s.t.Cleanup(func() { _ = c.ends[i].Close() })
	}
	return c
}

func (c *crowd) send(i int, p v4wire.Packet) {
	data, _, err := v4wire.Encode(c.keys[i], p)
	if err != nil {
		panic(err)
	}
	_, _ = c.ends[i].WriteToUDPAddrPort(data, netip.MustParseAddrPort(stageAddr))
}

func soon() uint64 { return uint64(time.Now().Add(20 * time.Second).Unix()) }

func (c *crowd) answer(i int) {
	buf := make([]byte, maxPacket)
	for {
		n, _, err := c.ends[i].ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p, _, hash, err := v4wire.Decode(buf[:n])
		if err != nil {
			continue
		}
		switch p.(type) {
		case *v4wire.Ping:
			c.send(i, &v4wire.Pong{ReplyTok: hash, Expiration: soon()})
		case *v4wire.Findnode:
			for part := range 2 {
				var list []v4wire.Node
				for k := range 8 {
					list = append(list, c.nodes[(i*17+part*8+k)%len(c.nodes)])
				}
				c.send(i, &v4wire.Neighbors{Nodes: list, Expiration: soon()})
			}
		}
	}
}

// TestEclipse: a thousand node IDs at addresses of one /24 get no more than a network's share of
// the table and of the candidates, and the few honest nodes are found.
func TestEclipse(t *testing.T) {
	const ids = 1000
	honest := []string{"20.1.0.1:30303", "30.2.0.1:30303", "40.3.0.1:30303", "50.4.0.1:30303"}
	perform(t, func(s *stage, c *Config) {
		boot := s.addV4(honest[0])
		for _, at := range honest[1:] {
			s.addV4(at, boot.node())
		}
		c.V4, c.Bootnodes = true, []*enode.Node{boot.node()}
	}, func(s *stage) {
		s.ask(MaxCredit)
		before := len(s.candidates(len(honest)))
		c := newCrowd(s, ids)
		for i := range ids {
			c.send(i, &v4wire.Ping{Version: 4, From: v4wire.Endpoint{TCP: 30303}, Expiration: soon()})
			if i%100 == 99 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(45 * time.Second)
		counts := map[bool]int{}
		for _, got := range s.candidates(before)[before:] {
			counts[isCrowd(got.Node.IPAddr())]++
		}
		st := s.status()
		inTable := st.V4.Nodes - len(honest)
		t.Logf("of %d IDs %d are in the table of %d; candidates: %d of the crowd, %d honest; refused %v", ids, inTable, st.V4.Nodes, counts[true], counts[false], st.Refused)
		if inTable < 1 || inTable > 10 {
			t.Errorf("%d nodes of the crowd are in the table, want 1 to 10", inTable)
		}
		if counts[true] == 0 || counts[true] > crowdShare {
			t.Errorf("%d nodes of the crowd became candidates, want 1 to %d", counts[true], crowdShare)
		}
		if counts[false] < len(honest) { // each is found again after at most 20 s
			t.Errorf("%d honest candidates: they are no longer found", counts[false])
		}
	})
}

func isCrowd(ip netip.Addr) bool { return netip.MustParsePrefix(crowdNet + "0/24").Contains(ip) }
