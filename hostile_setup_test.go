package troupe_test

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

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/wire"
)

var benchCap = wire.Cap{Name: "bench", Version: 1}

func idOf(key *ecdsa.PrivateKey) [64]byte { return [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]) }

// closed waits until the victim has closed a connection.
func closed(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("connection still open")
	}
}

// garbage is what port scanners and bugs send.
func garbage(t *testing.T, v *victim) {
	noise := piece(1, 600)
	for name, junk := range map[string][]byte{
		"noise behind a size that is fine": append([]byte{1, 0}, noise...),
		"a size of nothing":                append([]byte{0, 0}, noise...),
		"a size beyond all":                append([]byte{0xFF, 0xFF}, noise...),
		"a request for a web page":         []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
	} {
		conn := v.open(t)
		if _, err := conn.Write(junk); err != nil {
			t.Fatal(err)
		}
		// What it is called depends on where it is found out; to the remote it would be a
		// breach of protocol, if there were a way to tell it yet.
		e := v.endOf(t, conn)
		if reason, ok := wire.ReasonOf(e.Err); !ok || reason != wire.DiscProtocolError {
			t.Errorf("%s: %v", name, e.Err)
		}
		closed(t, conn)
	}
}

func (v *victim) auth(t testing.TB, key *ecdsa.PrivateKey) *wire.Initiator {
	t.Helper()
	auth, err := wire.NewAuth(key, v.Self().Pubkey(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

// cutAuth hangs up after each number of bytes that is less than an auth.
func cutAuth(t *testing.T, v *victim) {
	packet := v.auth(t, newKey(t)).Packet()
	for n := 0; n < len(packet); n += unlessRace(1, 7) {
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

// halfOpen connects a thousand times and says nothing. Each connection ends with a name
// in the log: there was no slot for it in time, or its own time was over.
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
	eventually(t, "that the log names the end of each", func() bool {
		v.book.mu.Lock()
		lines := slices.Clone(v.book.lines)
		v.book.mu.Unlock()
		named := 0
		for _, line := range lines {
			var r struct{ Msg, Addr, Reason string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if r.Msg != "connection not set up" || !remotes[r.Addr] {
				continue
			}
			named++
			if r.Reason != node.ErrPendingFull.Error() && !strings.HasSuffix(r.Reason, os.ErrDeadlineExceeded.Error()) {
				t.Fatalf("a half-open connection ended for: %s", r.Reason)
			}
		}
		return named == count
	})
}

// drippingAuth sends an auth byte by byte, each in time for an idle timeout.
func drippingAuth(t *testing.T, v *victim) {
	conn := v.drips[0]
	drip(t, conn, v.auth(t, newKey(t)).Packet())
	v.refused(t, conn, os.ErrDeadlineExceeded)
}

// drippingHello comes through the encryption handshake, and then takes its time.
func drippingHello(t *testing.T, v *victim) {
	r := v.encryptedOver(t, v.drips[1], newKey(t))
	drip(t, r, r.sealed(t, wire.HelloMsg, piece(1, wire.MaxHello)))
	v.refused(t, r, os.ErrDeadlineExceeded)
}

// drip sends bytes slowly for longer than the victim may put up with.
func drip(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	const every = 50 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range b {
		<-tick.C
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return // closed, as it should be
		}
		if time.Duration(i)*every > 10*time.Second {
			t.Fatal("a handshake may last for as long as it drips")
		}
	}
	t.Fatal("a handshake came to its end byte by byte")
}

// encrypted makes the encryption handshake, and sends no Hello.
func (v *victim) encrypted(t testing.TB, key *ecdsa.PrivateKey) *remote {
	t.Helper()
	return v.encryptedOver(t, v.open(t), key)
}

func (v *victim) encryptedOver(t testing.TB, conn *net.TCPConn, key *ecdsa.PrivateKey) *remote {
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
	return &remote{TCPConn: conn, Session: wire.NewSession(secrets, rest)}
}

// helloWith encodes a Hello that has bench/1 and so many capabilities more, without asking
// how large it gets.
func helloWith(t testing.TB, key *ecdsa.PrivateKey, more int) []byte {
	t.Helper()
	id := idOf(key)
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

// fitting is how many capabilities fit into a Hello beside bench/1.
func fitting(t testing.TB, key *ecdsa.PrivateKey) int {
	t.Helper()
	n := 0
	for len(helloWith(t, key, n+1)) <= wire.MaxHello {
		n++
	}
	return n
}

// manyCaps offers as many capabilities as a Hello holds, and is welcome.
func manyCaps(t *testing.T, v *victim) {
	key := newKey(t)
	count := fitting(t, key)
	r := v.encrypted(t, key)
	r.write(t, r.sealed(t, wire.HelloMsg, helloWith(t, key, count)))
	if _, err := r.ReadHello(r); err != nil {
		t.Fatal(err)
	}
	id := enode.PubkeyToIDV4(&key.PublicKey)
	eventually(t, "a link with many capabilities", func() bool {
		for _, p := range v.Peers() {
			if p.ID == id {
				return len(p.Offered) == count+1 && slices.Equal(p.Caps, []string{"bench/1"})
			}
		}
		return false
	})
	r.TCPConn.Close()
	if c := v.dropped(t, r); c.Reason != wire.DiscNetworkError {
		t.Errorf("cause: %v", c)
	}
}

// tooManyCaps offers one more than that, and very many more.
func tooManyCaps(t *testing.T, v *victim) {
	key := newKey(t)
	for _, count := range []int{fitting(t, key) + 1, 20_000} {
		r := v.encrypted(t, key)
		r.write(t, r.sealed(t, wire.HelloMsg, helloWith(t, key, count)))
		v.refused(t, r, wire.ErrHelloTooLarge)
		if told := r.told(t); told != wire.DiscProtocolError {
			t.Errorf("the remote was told %q", told)
		}
	}
}

// strangeHello claims to be somebody else than the handshake has shown.
func strangeHello(t *testing.T, v *victim) {
	r := v.encrypted(t, newKey(t))
	r.write(t, r.sealed(t, wire.HelloMsg, helloWith(t, newKey(t), 0)))
	v.refused(t, r, wire.ErrUnexpectedIdentity)
	if told := r.told(t); told != wire.DiscUnexpectedIdentity {
		t.Errorf("the remote was told %q", told)
	}
}
