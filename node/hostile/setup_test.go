package hostile_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
	"github.com/troupe-p2p/troupe/wire"
)

var benchCap = wire.Cap{Name: "bench", Version: 1}

// closed waits until the victim has closed a connection.
func closed(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(actortest.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still open")
	}
}

// garbage sends what port scanners and bugs send.
func garbage(t *testing.T, v *victim) {
	noise := fixture.Piece(1, 600)
	for name, junk := range map[string][]byte{
		"noise behind a valid size": append([]byte{1, 0}, noise...),
		"a size of zero":            append([]byte{0, 0}, noise...),
		"the largest size":          append([]byte{0xFF, 0xFF}, noise...),
		"a request for a web page":  []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	} {
		conn := v.open(t)
		if _, err := conn.Write(junk); err != nil {
			t.Fatal(err)
		}
		// The error depends on where the node detects it. Its reason is a breach of protocol,
		// though no Disconnect can be sent yet.
		e := v.endOf(t, conn)
		if reason, ok := wire.ReasonOf(e.Err); !ok || reason != wire.DiscProtocolError {
			t.Errorf("%s: %v", name, e.Err)
		}
		closed(t, conn)
	}
}

// auth makes the auth of a handshake with the victim.
func (v *victim) auth(t testing.TB, key *ecdsa.PrivateKey) *wire.Initiator {
	t.Helper()
	auth, err := wire.NewAuth(key, v.Self().Pubkey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// cutAuth closes the connection after each possible part of an auth.
func cutAuth(t *testing.T, v *victim) {
	packet := v.auth(t, fixture.Key(t)).Packet()
	for n := 0; n < len(packet); n += actortest.Work(1, 7) {
		conn := v.open(t)
		if _, err := conn.Write(packet[:n]); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		v.refused(t, conn, want)
		conn.Close()
	}
}

// halfOpen connects a thousand times and sends nothing. The log names the end of each
// connection: it got no slot in time, or its handshake timed out.
func halfOpen(t *testing.T, v *victim) {
	const count = 1000
	remotes := map[string]bool{}
	var conns []net.Conn
	for range count {
		conn := v.open(t)
		conns = append(conns, conn)
		remotes[local(conn).String()] = true
	}
	for _, conn := range conns {
		closed(t, conn)
		conn.Close()
	}
	actortest.Eventually(t, "the log names the end of each", func() bool {
		named := 0
		for _, line := range v.log.Lines("connection not set up") {
			var r struct{ Addr, Reason string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if !remotes[r.Addr] {
				continue
			}
			named++
			if r.Reason != node.ErrPendingFull.Error() && !strings.Contains(r.Reason, os.ErrDeadlineExceeded.Error()) {
				t.Fatalf("a half-open connection ended with: %s", r.Reason)
			}
		}
		return named == count
	})
}

// drippingAuth sends an auth byte by byte, each before an idle time-out would end the connection.
func drippingAuth(t *testing.T, v *victim) {
	conn := v.drips[0]
	drip(t, conn, v.auth(t, fixture.Key(t)).Packet())
	v.refused(t, conn, os.ErrDeadlineExceeded)
}

// drippingHello completes the encryption handshake, and then sends a Hello byte by byte.
func drippingHello(t *testing.T, v *victim) {
	r := v.encryptedOver(t, v.drips[1], fixture.Key(t))
	drip(t, r, r.Sealed(t, wire.HelloMsg, fixture.Piece(1, wire.MaxHello)))
	v.refused(t, r, os.ErrDeadlineExceeded)
}

// drip sends bytes slowly, for longer than the victim may allow.
func drip(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	const every = 50 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range b {
		<-tick.C
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return // the victim has closed the connection
		}
		if time.Duration(i)*every > 10*time.Second {
			t.Fatal("a handshake that sends byte by byte lasts more than 10 s")
		}
	}
	t.Fatal("the victim accepted a whole message byte by byte")
}

// encrypted completes the encryption handshake, and sends no Hello.
func (v *victim) encrypted(t testing.TB, key *ecdsa.PrivateKey) *nodetest.Client {
	t.Helper()
	return v.encryptedOver(t, v.open(t), key)
}

// encryptedOver is encrypted for a connection.
func (v *victim) encryptedOver(t testing.TB, conn *net.TCPConn, key *ecdsa.PrivateKey) *nodetest.Client {
	t.Helper()
	auth := v.auth(t, key)
	if _, err := conn.Write(auth.Packet()); err != nil {
		t.Fatal(err)
	}
	ack, rest, err := wire.ReadPacket(conn)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := auth.Finish(ack)
	if err != nil {
		t.Fatal(err)
	}
	return &nodetest.Client{Conn: conn, Session: wire.NewSession(secrets, rest)}
}

// helloWith encodes a Hello that has bench/1 and this number of further capabilities, whatever
// its size.
func helloWith(t testing.TB, key *ecdsa.PrivateKey, more int) []byte {
	t.Helper()
	id := fixture.HelloID(key)
	hello := struct {
		Version    uint64
		Name       string
		Caps       []wire.Cap
		ListenPort uint64
		ID         []byte
	}{wire.BaseVersion, "many", []wire.Cap{benchCap}, 0, id[:]}
	for i := range more {
		hello.Caps = append(hello.Caps, wire.Cap{Name: fmt.Sprintf("c%03d", i%1000), Version: uint(i / 1000)})
	}
	payload, err := rlp.EncodeToBytes(&hello)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// fitting returns how many capabilities fit into a Hello beside bench/1.
func fitting(t testing.TB, key *ecdsa.PrivateKey) int {
	t.Helper()
	n := 0
	for len(helloWith(t, key, n+1)) <= wire.MaxHello {
		n++
	}
	return n
}

// manyCaps offers as many capabilities as a Hello holds, and becomes a peer.
func manyCaps(t *testing.T, v *victim) {
	key := fixture.Key(t)
	count := fitting(t, key)
	r := v.encrypted(t, key)
	r.Send(t, r.Sealed(t, wire.HelloMsg, helloWith(t, key, count)))
	if _, err := r.ReadHello(r); err != nil {
		t.Fatal(err)
	}
	id := enode.PubkeyToIDV4(&key.PublicKey)
	actortest.Eventually(t, "a link with many capabilities", func() bool {
		for _, p := range v.Peers() {
			if p.ID == id {
				return len(p.Offered) == count+1 && slices.Equal(p.Caps, []string{"bench/1"})
			}
		}
		return false
	})
	r.Close()
	if c := v.dropped(t, r); c.Reason != wire.DiscNetworkError {
		t.Errorf("cause %v", c)
	}
}

// tooManyCaps offers one capability more than that, and then 20,000.
func tooManyCaps(t *testing.T, v *victim) {
	key := fixture.Key(t)
	for _, count := range []int{fitting(t, key) + 1, 20_000} {
		r := v.encrypted(t, key)
		r.Send(t, r.Sealed(t, wire.HelloMsg, helloWith(t, key, count)))
		v.refused(t, r, wire.ErrHelloTooLarge)
		if reason := r.AwaitDisconnect(t); reason != wire.DiscProtocolError {
			t.Errorf("Disconnect %q, want %q", reason, wire.DiscProtocolError)
		}
	}
}

// strangeHello claims another identity than that of the handshake.
func strangeHello(t *testing.T, v *victim) {
	r := v.encrypted(t, fixture.Key(t))
	r.Send(t, r.Sealed(t, wire.HelloMsg, helloWith(t, fixture.Key(t), 0)))
	v.refused(t, r, wire.ErrUnexpectedIdentity)
	if reason := r.AwaitDisconnect(t); reason != wire.DiscUnexpectedIdentity {
		t.Errorf("Disconnect %q, want %q", reason, wire.DiscUnexpectedIdentity)
	}
}
