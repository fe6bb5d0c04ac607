package torture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover/v4wire"
	"github.com/ethereum/go-ethereum/p2p/enode"
)

// packetsV4 sends malformed packets of discovery v4.
type packetsV4 struct{}

func (packetsV4) About() About {
	return About{
		Name: "v4", Rate: 500, Unit: "packets", Needs: needsDiscovery,
		Does: "sends packets of discovery v4: random, with a wrong hash, of version 99, too large, expired, findnode without endpoint proof",
	}
}

func (packetsV4) Attack(a *Attacker) {
	to := v4wire.NewEndpoint(a.node.udp, a.node.tcp.Port())
	soon, past := expiry(time.Hour), expiry(-time.Hour)
	a.packets([]func() []byte{
		noise,
		func() []byte {
			b := signedV4(&v4wire.Ping{Version: 4, From: to, To: to, Expiration: soon})
			b[len(b)-1] ^= 1
			return b
		},
		func() []byte { return signedV4(&v4wire.Ping{Version: 99, From: to, To: to, Expiration: soon}) },
		tooLarge,
		func() []byte { return signedV4(&v4wire.Ping{Version: 4, From: to, To: to, Expiration: past}) },
		func() []byte { return signedV4(&v4wire.Findnode{Target: v4wire.Pubkey(random(64)), Expiration: soon}) },
	})
}

// packetsV5 sends malformed packets of discovery v5.
type packetsV5 struct{}

func (packetsV5) About() About {
	return About{
		Name: "v5", Rate: 500, Unit: "packets", Needs: needsDiscovery,
		Does: "sends packets of discovery v5: random, of an unknown version, too large, of unknown senders (each asks for a WHOAREYOU), WHOAREYOUs that answer nothing",
	}
}

func (packetsV5) Attack(a *Attacker) {
	id := a.node.Node.ID()
	a.packets([]func() []byte{
		noise,
		func() []byte { return packetV5(id, 99, 0, random(32), random(44)) },
		tooLarge,
		func() []byte { return packetV5(id, 1, 0, random(32), random(44)) },
		func() []byte { return packetV5(id, 1, 1, random(24), nil) },
	})
}

// variants is how many packets of each kind an attacker makes beforehand, so that the attack costs
// the attacker little.
const variants = 32

// packets sends packets of each kind in turn, and counts the answers.
func (a *Attacker) packets(kinds []func() []byte) {
	local := &net.UDPAddr{}
	if len(a.from) > 0 {
		local.IP = a.from[0].AsSlice()
	}
	c, err := net.ListenUDP("udp", local)
	if err != nil {
		a.counts.failed.Add(1)
		return
	}
	a.work.Go(func() { a.answers(c) })
	defer c.Close()
	var made [][]byte
	for range variants {
		for _, kind := range kinds {
			made = append(made, kind())
		}
	}
	next := 0
	for n := a.turn(); n > 0; n = a.turn() {
		for range n {
			b := made[next%len(made)]
			next++
			if _, err := c.WriteToUDPAddrPort(b, a.node.udp); err != nil {
				a.counts.failed.Add(1)
				continue
			}
			a.counts.sent.Add(uint64(len(b)))
		}
	}
}

// answers counts the bytes that the node answers, until the socket closes.
func (a *Attacker) answers(c *net.UDPConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) == a.node.udp {
			a.counts.received.Add(uint64(n))
		}
	}
}

// random returns random bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// noise is a packet of random bytes, of a size that discovery has.
func noise() []byte { return random(63 + int(random(1)[0])*4) }

// tooLarge is a packet larger than any of discovery.
func tooLarge() []byte { return random(1281 + int(random(1)[0])*32) }

func expiry(in time.Duration) uint64 { return uint64(time.Now().Add(in).Unix()) }

// signedV4 encodes a packet of discovery v4 of a new node.
func signedV4(p v4wire.Packet) []byte {
	b, _, err := v4wire.Encode(freshKey(), p)
	if err != nil {
		panic(err) // impossible: the packets are constants but for their times
	}
	return b
}

// packetV5 encodes a packet of discovery v5 (discv5-wire) whose header a node with this ID can
// read: version, flag, the flag's data, and the encrypted message, which may be anything.
func packetV5(to enode.ID, version uint16, flag byte, data, message []byte) []byte {
	header := append([]byte("discv5"), binary.BigEndian.AppendUint16(nil, version)...)
	header = append(append(header, flag), random(12)...) // the nonce
	header = append(binary.BigEndian.AppendUint16(header, uint16(len(data))), data...)
	block, err := aes.NewCipher(to[:16])
	if err != nil {
		panic(err) // impossible: the key has 16 bytes
	}
	iv := random(aes.BlockSize)
	cipher.NewCTR(block, iv).XORKeyStream(header, header)
	return append(append(iv, header...), message...)
}
