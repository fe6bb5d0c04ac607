package discovery

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/discover/v5wire"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

// flooder is a remote that sends many requests at the same time, unlike the library.
type flooder struct {
	t     *testing.T
	codec *v5wire.Codec
	conn  discover.UDPConn
	to    *enode.Node
	where netip.AddrPort
}

// newFlooder opens a session with a node.
func newFlooder(t *testing.T, conn discover.UDPConn, to *enode.Node) *flooder {
	t.Helper()
	key := fixture.Key(t)
	l := newLocal(t, key, conn.LocalAddr().String())
	t.Cleanup(func() { l.Database().Close() })
	f := &flooder{t: t, codec: v5wire.NewCodec(l, key, newLibraryClock(supervise.SystemClock), nil), conn: conn, to: to}
	f.where, _ = to.UDPEndpoint()
	ping := &v5wire.Ping{ReqID: []byte{1}, ENRSeq: l.Node().Seq()}
	f.send(f.encode(ping, nil))
	challenge, ok := f.receive().(*v5wire.Whoareyou)
	if !ok {
		t.Fatal("the node sent no challenge")
	}
	challenge.Node = to
	f.send(f.encode(ping, challenge))
	if _, ok := f.receive().(*v5wire.Pong); !ok {
		t.Fatal("the node did not accept the session")
	}
	return f
}

// encode returns a packet that belongs to the session or starts it.
func (f *flooder) encode(p v5wire.Packet, challenge *v5wire.Whoareyou) []byte {
	f.t.Helper()
	b, _, err := f.codec.Encode(f.to.ID(), f.where.String(), p, challenge)
	if err != nil {
		f.t.Fatal(err)
	}
	return bytes.Clone(b)
}

// send sends a packet, which may be lost.
func (f *flooder) send(b []byte) { _, _ = f.conn.WriteToUDPAddrPort(b, f.where) }

func (f *flooder) receive() v5wire.Packet {
	f.t.Helper()
	buf := make([]byte, maxPacket)
	n, from, err := f.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		f.t.Fatal(err)
	}
	_, _, packet, err := f.codec.Decode(buf[:n], from.String())
	if err != nil {
		f.t.Fatal(err)
	}
	return packet
}
