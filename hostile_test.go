package troupe_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/bench"
	"github.com/troupe-p2p/troupe/wire"
)

// besides is how much memory an attack may cost beyond the budgets of its links.
const besides = 32 << 20

var (
	benchCap  = wire.Cap{Name: "bench", Version: 1}
	sleepyCap = wire.Cap{Name: "sleepy", Version: 1}
)

// victim is a node under attack, with a well-behaved neighbour whose link must not
// suffer.
type victim struct {
	*node.Node
	t       testing.TB
	release func() // wakes the sleepy protocol

	mu    sync.Mutex
	ended map[enode.ID]chan node.Event // SetupFailed and PeerDropped by remote
	other chan node.Event              // SetupFailed of those who did not say who they are
}

func newVictim(t testing.TB) *victim {
	asleep, wake := context.WithCancel(context.Background())
	sleepy := lines("sleepy", func() behave {
		return func(ctx actor.Context) {
			if _, ok := ctx.Message().(*Line); ok {
				<-asleep.Done()
			}
		}
	})
	v := &victim{t: t, release: wake, ended: map[enode.ID]chan node.Event{}, other: make(chan node.Event, 4096)}
	t.Cleanup(wake)
	v.Node = startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{bench.Spec(), sleepy} })
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	events := v.Subscribe(ctx)
	go func() {
		for e := range events {
			switch {
			case e.Kind != node.SetupFailed && e.Kind != node.PeerDropped:
			case e.Peer.ID == (enode.ID{}):
				v.other <- e
			default:
				v.endOf(e.Peer.ID) <- e
			}
		}
	}()
	return v
}

func (v *victim) endOf(id enode.ID) chan node.Event {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ended[id] == nil {
		v.ended[id] = make(chan node.Event, 8)
	}
	return v.ended[id]
}

// remote is an attacker that has come through the handshake.
type remote struct {
	*net.TCPConn
	*wire.Session
	id enode.ID
}

// connect sets up a session with the victim.
func (v *victim) connect(t testing.TB, caps ...wire.Cap) *remote {
	t.Helper()
	key := newKey(t)
	conn := tcpTo(t, v.Node)
	hello := &wire.Hello{
		Version: wire.BaseVersion, Name: "hostile", Caps: caps, ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	}
	s, err := wire.Dial(conn, key, v.Self().Pubkey(), hello, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &remote{conn, s, enode.PubkeyToIDV4(&key.PublicKey)}
}

// sealed lays out and seals one message whose payload is on the wire as given.
func (r *remote) sealed(t testing.TB, code uint64, payload []byte) []byte {
	t.Helper()
	frame, err := wire.AppendFrame(nil, code, payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Encoder.Seal(frame); err != nil {
		t.Fatal(err)
	}
	return frame
}

func (r *remote) write(t testing.TB, b []byte) {
	t.Helper()
	if _, err := r.TCPConn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// dropped waits for the end of a link and gives its cause.
func (v *victim) dropped(t testing.TB, r *remote) *node.Cause {
	t.Helper()
	e := within(t, v.endOf(r.id))
	if e.Cause == nil {
		t.Fatalf("no link ended, but its setup: %v", e.Err)
	}
	return e.Cause
}

func wantBreach(t testing.TB, c *node.Cause, err error) {
	t.Helper()
	if c.Side != actors.Local || c.Reason != wire.DiscProtocolError || !errors.Is(c.Err, err) {
		t.Errorf("cause: %v, want a breach of protocol: %v", c, err)
	}
}

// vmRSS is the process's resident memory, in bytes; 0 where the system does not say.
func vmRSS() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0
	}
	return kib << 10
}

// neighbour is a node that asks the victim for an echo every few milliseconds for
// as long as the attacks last.
type neighbour struct {
	mu         sync.Mutex
	sent, back int
}

func (nb *neighbour) join(t testing.TB, v *victim) (leave func()) {
	quit := make(chan struct{})
	done := make(chan struct{})
	spec := bench.Spec()
	spec.New = func() actor.Actor {
		return behave(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *protocols.LinkUp:
				go nb.ask(msg.Link, quit, done)
			case *bench.EchoReply:
				nb.mu.Lock()
				nb.back++
				nb.mu.Unlock()
			}
		})
	}
	n := startNode(t, func(c *node.Config) { c.Specs = []protocols.Spec{spec} })
	connected(t, n, v.Node)
	return func() {
		close(quit)
		<-done
	}
}

func (nb *neighbour) ask(link *protocols.Link, quit <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if link.Send(&bench.Echo{ID: 1, Payload: []byte("still there?")}) == nil {
				nb.mu.Lock()
				nb.sent++
				nb.mu.Unlock()
			}
		case <-quit:
			return
		}
	}
}

// Whatever a remote does, it ends in a named cause, costs bounded memory, and the
// neighbour's link goes on at its pace.
func TestHostile(t *testing.T) {
	v := newVictim(t)
	var nb neighbour
	leave := nb.join(t, v)
	before := vmRSS()
	t.Run("attacks", func(t *testing.T) {
		for name, attack := range map[string]func(*testing.T, *victim){
			"garbage instead of auth":               garbage,
			"auth cut short at every length":        cutAuth,
			"half-open connections":                 halfOpen,
			"handshake that drips":                  drip,
			"wrong MAC":                             wrongMAC,
			"header of 16 MiB and nothing behind":   hugeHeader,
			"snappy that claims 16 MiB":             claimTooMuch,
			"16 MiB - 1 in ten bytes":               claimImpossible,
			"capabilities as many as fit":           manyCaps,
			"capabilities too many":                 tooManyCaps,
			"pings without end":                     pingFlood,
			"never reads":                           neverReads,
			"1 GiB to a protocol that sleeps":       toSleeper,
			"message code that belongs to nobody":   strayCode,
			"RLP that is not the message it claims": badRLP,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				attack(t, v)
			})
		}
	})
	// All links' budgets: one for each protocol and direction.
	budgets := 20 * 2 << 20
	if grown := vmRSS() - before; before > 0 && grown > besides+budgets && !raceEnabled {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	leave()
	eventually(t, "the neighbour's answers", func() bool {
		nb.mu.Lock()
		defer nb.mu.Unlock()
		return nb.back >= nb.sent*95/100
	})
	if nb.sent < 500 {
		t.Errorf("the neighbour asked only %d times", nb.sent)
	}
}

func garbage(t *testing.T, v *victim) {
	conn := tcpTo(t, v.Node)
	junk := make([]byte, 600)
	rand.Read(junk)
	junk[0], junk[1] = 1, 0 // a size that is fine
	if _, err := conn.Write(junk); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, conn)
}

func wantClosed(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("connection still open")
	}
}

func cutAuth(t *testing.T, v *victim) {
	auth, err := wire.NewAuth(newKey(t), v.Self().Pubkey(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	packet := auth.Packet()
	for n := 1; n < len(packet); n += unlessRace(1, 10) {
		conn := tcpTo(t, v.Node)
		if _, err := conn.Write(packet[:n]); err != nil {
			t.Fatal(err)
		}
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantClosed(t, conn)
		conn.Close()
	}
}

func halfOpen(t *testing.T, v *victim) {
	var conns []net.Conn
	for range 1000 {
		conns = append(conns, tcpTo(t, v.Node))
	}
	for _, c := range conns {
		wantClosed(t, c)
	}
}

func drip(t *testing.T, v *victim) {
	auth, err := wire.NewAuth(newKey(t), v.Self().Pubkey(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	conn := tcpTo(t, v.Node)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i, b := range auth.Packet() {
		<-tick.C
		if _, err := conn.Write([]byte{b}); err != nil {
			return // closed, as it should be
		}
		if i > 200 { // 10 s, and the deadline is 5
			t.Fatal("a handshake may last as long as it drips")
		}
	}
}

func wrongMAC(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	frame := r.sealed(t, 16, []byte("x"))
	frame[len(frame)-1] ^= 1
	r.write(t, frame)
	wantBreach(t, v.dropped(t, r), wire.ErrBadFrameMAC)
}

func hugeHeader(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	before := vmRSS()
	frame := r.sealed(t, 16, make([]byte, wire.MaxFrame-1))
	r.write(t, frame[:4096])
	frame = nil
	r.TCPConn.Close()
	if c := v.dropped(t, r); c.Side != actors.Network && c.Side != actors.Local {
		t.Errorf("cause: %v", c)
	}
	if grown := vmRSS() - before; before > 0 && !raceEnabled && grown > besides+2*wire.MaxFrame {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

func claimTooMuch(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.write(t, r.sealed(t, 16, append(binary.AppendUvarint(nil, 16<<20), 0, 0)))
	wantBreach(t, v.dropped(t, r), wire.ErrMessageTooLarge)
}

func claimImpossible(t *testing.T, v *victim) {
	for range unlessRace(200, 20) {
		r := v.connect(t, benchCap)
		r.write(t, r.sealed(t, 16, append(binary.AppendUvarint(nil, 1<<24-1), 0, 0, 0, 0, 0, 0)))
		wantBreach(t, v.dropped(t, r), wire.ErrCorrupt)
	}
}

// forgedHello sends a Hello that no encoder of ours would make.
func (v *victim) forgedHello(t testing.TB, caps int) (*wire.Hello, error) {
	key := newKey(t)
	conn := tcpTo(t, v.Node)
	auth, err := wire.NewAuth(key, v.Self().Pubkey(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
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
	session := wire.NewSession(secrets, rest)
	hello := struct {
		Version    uint64
		Name       string
		Caps       []wire.Cap
		ListenPort uint64
		ID         []byte
	}{wire.BaseVersion, "many", []wire.Cap{benchCap}, 0, crypto.FromECDSAPub(&key.PublicKey)[1:]}
	for i := range caps {
		hello.Caps = append(hello.Caps, wire.Cap{Name: fmt.Sprintf("c%d", i), Version: uint(i)})
	}
	payload, err := rlp.EncodeToBytes(&hello)
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{conn, session, enode.PubkeyToIDV4(&key.PublicKey)}
	r.write(t, r.sealed(t, wire.HelloMsg, payload))
	h, err := session.ReadHello(conn)
	if err != nil {
		return nil, err
	}
	if len(payload) <= wire.MaxHello {
		return h, nil
	}
	e := within(t, v.endOf(r.id))
	return nil, e.Err
}

func manyCaps(t *testing.T, v *victim) {
	if _, err := v.forgedHello(t, 200); err != nil {
		t.Error(err)
	}
}

func tooManyCaps(t *testing.T, v *victim) {
	if _, err := v.forgedHello(t, 5000); err == nil {
		t.Error("a Hello of 40 KiB is welcome")
	}
}

func pingFlood(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	// The remote does not read, so that its pings stay unanswered: in the end
	// nothing more is taken.
	pings := bytes.Buffer{}
	for range 1000 {
		pings.Write(r.sealed(t, wire.PingMsg, []byte{1, 0, 0xC0}))
	}
	r.write(t, pings.Bytes())
	// Now it reads, and every ping gets its pong.
	buf := append(make([]byte, 0, 1<<20), r.Rest...)
	pongs := 0
	for pongs < 1000 {
		frame, n, _, err := r.Decoder.Next(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			got, err := r.TCPConn.Read(buf[len(buf):cap(buf)])
			if err != nil {
				t.Fatal(err)
			}
			buf = buf[:len(buf)+got]
			continue
		}
		if code, _, err := wire.ParseMessage(frame); err == nil && code == wire.PongMsg {
			pongs++
		}
		buf = buf[n:]
	}
}

func neverReads(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	ask, err := rlp.EncodeToBytes(&bench.Flood{Count: 1 << 40, Size: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := wire.AppendCompressed(nil, 16+3, ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Encoder.Seal(frame); err != nil {
		t.Fatal(err)
	}
	r.write(t, frame)
	if c := v.dropped(t, r); c.Side != actors.Local || !errors.Is(c.Err, actors.ErrWriteTimeout) {
		t.Errorf("cause: %v", c)
	}
}

func toSleeper(t *testing.T, v *victim) {
	r := v.connect(t, sleepyCap)
	payload, err := rlp.EncodeToBytes(&Line{Text: make([]byte, 32<<10)})
	if err != nil {
		t.Fatal(err)
	}
	rand.Read(payload[10:]) // it must not compress, and stay a Line
	taken := 0
	go func() {
		for taken < 1<<30 {
			frame, err := wire.AppendCompressed(nil, 16, payload)
			if err != nil {
				return
			}
			if r.Encoder.Seal(frame) != nil {
				return
			}
			n, err := r.TCPConn.Write(frame)
			taken += n
			if err != nil {
				return
			}
		}
	}()
	c := v.dropped(t, r)
	if !errors.Is(c.Err, actors.ErrStalled) || c.Protocol != "sleepy/1" {
		t.Errorf("cause: %v", c)
	}
	v.release()
}

func strayCode(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.write(t, r.sealed(t, 16+16, []byte{1, 0, 0xC0}))
	if c := v.dropped(t, r); c.Reason != wire.DiscProtocolError {
		t.Errorf("cause: %v", c)
	}
}

func badRLP(t *testing.T, v *victim) {
	r := v.connect(t, benchCap)
	r.write(t, r.sealed(t, 16+1, []byte{3, 2 << 2, 0xC2, 0x01, 0xFF}))
	c := v.dropped(t, r)
	var decode *protocols.DecodeError
	if c.Reason != wire.DiscProtocolError || !errors.As(c.Err, &decode) || decode.Code != 1 {
		t.Errorf("cause: %v", c)
	}
}
