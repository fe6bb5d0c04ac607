package protocoltest

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/wire"
)

// Pair is one link between two nodes. A has dialed B.
type Pair struct {
	A, B  *End
	cable *Cable
	close func() error
}

// Option changes how a Pair is made.
type Option func(*options)

type options struct {
	buffer   int
	log      *slog.Logger
	recorder *Recorder // nil if there is none
	dir      string    // of A; empty: a temporary one
	trusted  bool
}

// Buffer sets how many bytes the connection holds in each direction, instead of [DefaultBuffer].
// With a small buffer, backpressure begins early.
func Buffer(bytes int) Option { return func(o *options) { o.buffer = bytes } }

// Dir makes dir the directory of A's protocol (protocols.Env.Dir), instead of a temporary one
// that is removed with the Pair. A second Pair with the same dir shows what the protocol keeps
// when its node starts again.
func Dir(dir string) Option { return func(o *options) { o.dir = dir } }

// Trusted makes each end a trusted node for the other, see protocols.Peer.
func Trusted() Option { return func(o *options) { o.trusted = true } }

// Log sends the actor log of both ends to l. By default, NewPair writes to the test's log and
// Connect writes nowhere.
func Log(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// NewPair links two nodes, of which A speaks the protocol a and B speaks b, until the test ends.
// They must share the name and a version. The test fails if the link cannot be made, or if an
// actor does not stop at its end: a link's actors at once, a service within the Spec's
// StopTimeout plus one second.
//
// If the version begins with a Handshake, the handshake is over when NewPair returns, so that
// both ends may send: each actor has received its LinkUp or is about to, or the link has ended. A
// test that plays a remote's part in the handshake gives that end a Spec whose version has none;
// NewPair then returns when the other end has queued its status.
func NewPair(t testing.TB, a, b protocols.Spec, opts ...Option) *Pair {
	t.Helper()
	p, err := connect(t, a, b, append([]Option{Log(logOf(t))}, opts...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// logOf writes to the log of a test. Benchmarks always print theirs, so it writes only errors
// there.
func logOf(t testing.TB) *slog.Logger {
	level := slog.LevelInfo
	if _, ok := t.(*testing.B); ok {
		level = slog.LevelError
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

// Connect is NewPair without a test, for examples and experiments. The caller must close the
// Pair. Where NewPair fails the test, it panics.
func Connect(a, b protocols.Spec, opts ...Option) (*Pair, error) {
	return connect(noTest{}, a, b, opts)
}

type noTest struct{}

func (noTest) Helper() {}

func (noTest) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func connect(tb fataler, specA, specB protocols.Spec, opts []Option) (*Pair, error) {
	o := options{buffer: DefaultBuffer, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	a, err := newNode(specA, "A")
	if err != nil {
		return nil, err
	}
	b, err := newNode(specB, "B")
	if err != nil {
		return nil, err
	}
	a.dir = o.dir
	if err := errors.Join(a.provision(o.log), b.provision(o.log)); err != nil {
		return nil, errors.Join(err, a.discard(), b.discard())
	}
	p, err := link(tb, a, b, o)
	if err != nil {
		return nil, errors.Join(err, a.discard(), b.discard())
	}
	if err := p.awaitGreetings(a, b); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// link makes the Pair of two nodes. On an error no actor of theirs is left.
func link(tb fataler, a, b *node, o options) (*Pair, error) {
	if len(actors.Match(a.mounted.Offers, b.hello.Caps)) == 0 {
		return nil, fmt.Errorf("no common protocol: A has %v, B has %v", a.hello.Caps, b.hello.Caps)
	}
	o.recorder.attach(tb, a, b)
	cable := NewCable(o.buffer, addrA, addrB)
	connA, connB := cable.a, cable.b
	if err := handshake(a, b, connA, connB); err != nil {
		return nil, err
	}
	system := newSystem()
	p := &Pair{cable: cable}
	var err error
	p.A, err = a.spawn(system, connA, false, tb, o)
	if err != nil {
		return nil, errors.Join(err, connB.Close())
	}
	p.B, err = b.spawn(system, connB, true, tb, o)
	if err != nil {
		return nil, errors.Join(err, p.A.end())
	}
	p.close = sync.OnceValue(func() error {
		p.A.Resume()
		p.B.Resume()
		p.SetDown(false)
		p.A.Disconnect(protocols.DiscQuitting)
		p.B.Disconnect(protocols.DiscQuitting)
		err := errors.Join(p.A.end(), p.B.end(), a.discard(), b.discard())
		time.Sleep(settling)
		return err
	})
	return p, nil
}

// After a message to a stopped actor, protoactor counts further ones for a while, in a goroutine.
// A synctest bubble must be empty at its end, and its clock advances only while a goroutine
// waits: so this interval is short, and Close waits for it.
const (
	deadLetterPeriod = time.Nanosecond
	settling         = time.Microsecond
)

// newSystem makes the actor system of a Pair. It does not log, because the actor log already has
// everything.
func newSystem() *actor.ActorSystem {
	return supervise.NewSystem(
		actor.WithDeadLetterThrottleInterval(deadLetterPeriod),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
	)
}

// Close ends the link, if it has not ended yet, and waits until the actors of both ends are gone.
// An error names the end that has an actor which does not stop.
func (p *Pair) Close() error { return p.close() }

// Cut resets the connection, like a network failure: both ends detect it by themselves.
func (p *Pair) Cut() { p.cable.Reset() }

// SetLatency makes the network slow, see [Cable.SetLatency].
func (p *Pair) SetLatency(d time.Duration) { p.cable.SetLatency(d) }

// SetDown takes the network down silently, or restores it, see [Cable.SetDown].
func (p *Pair) SetDown(down bool) { p.cable.SetDown(down) }

// node is what an End is made from.
type node struct {
	name     string
	key      *ecdsa.PrivateKey
	mounted  *protocols.Mounted
	greeting *greeting
	hello    *wire.Hello
	session  *wire.Session
	dir      string // of the protocol; empty: a temporary one
	tempDir  string // that one, once it was made
}

// provision prepares the protocol, as a node does that starts.
func (n *node) provision(log *slog.Logger) error {
	env := protocols.NewEnv(func() (string, error) {
		if n.dir != "" {
			return n.dir, os.MkdirAll(n.dir, 0o700)
		}
		var err error
		n.tempDir, err = os.MkdirTemp("", "protocoltest")
		return n.tempDir, err
	})
	env.ID = hex.EncodeToString(n.hello.ID[:])
	env.Logger = log.With("end", n.name, "protocol", n.mounted.Spec.Name)
	if err := n.mounted.Provision(context.Background(), env); err != nil {
		return fmt.Errorf("end %s: %w", n.name, err)
	}
	return nil
}

// discard ends what provision began, unless the service has, and removes the temporary
// directory.
func (n *node) discard() error {
	n.mounted.Cleanup()
	if n.tempDir == "" {
		return nil
	}
	return os.RemoveAll(n.tempDir)
}

func newNode(spec protocols.Spec, name string) (*node, error) {
	g := &greeting{said: make(chan struct{}), up: make(chan struct{})}
	mounted, err := protocols.Mount(g.watch(spec))
	if err != nil {
		return nil, fmt.Errorf("end %s: %w", name, err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("end %s: make a key: %w", name, err)
	}
	g.listen(mounted[0])
	h := &wire.Hello{
		Version: wire.BaseVersion, Name: "protocoltest " + name,
		ID: [64]byte(crypto.FromECDSAPub(&key.PublicKey)[1:]),
	}
	for _, p := range mounted[0].Offers {
		h.Caps = append(h.Caps, p.Cap())
	}
	return &node{name: name, key: key, mounted: mounted[0], greeting: g, hello: h}, nil
}

// handshake makes the sessions of both ends. A side that fails closes the connection, so that the
// other does not wait.
func handshake(a, b *node, connA, connB net.Conn) error {
	accepted := make(chan error, 1)
	go func() {
		err := b.accept(connB)
		if err != nil {
			err = errors.Join(fmt.Errorf("handshake of B: %w", err), connB.Close())
		}
		accepted <- err
	}()
	session, err := wire.Dial(connA, a.key, &b.key.PublicKey, a.hello, wire.Options{})
	if err != nil {
		err = errors.Join(fmt.Errorf("handshake of A: %w", err), connA.Close())
	}
	a.session = session
	return errors.Join(err, <-accepted)
}

func (n *node) accept(conn net.Conn) error {
	auth, err := wire.AcceptAuth(conn, n.key, wire.Options{})
	if err != nil {
		return err
	}
	n.session, err = auth.Welcome(conn, n.hello)
	return err
}

// spawn starts the link's actors at one end, below an owner of their own.
func (n *node) spawn(system *actor.ActorSystem, conn *conn, inbound bool, tb fataler, opts options) (*End, error) {
	e := &End{tb: tb, name: n.name, conn: conn, root: system.Root, gone: make(chan struct{}), stopped: make(chan struct{})}
	e.stopTimeout = n.mounted.StopTimeout()
	journal := supervise.NewJournal(opts.log, e.steps.add)
	started := make(chan error, 1)
	o := &owner{end: e, result: started, mounted: n.mounted, common: actors.Common{
		System: system, Journal: journal,
		Standing: func([64]byte) (static, trusted bool) { return false, opts.trusted },
	}, cfg: actors.Config{
		Name: "peer", Conn: conn, Session: n.session, Protocols: n.mounted.Offers, Inbound: inbound,
	}}
	o.Supervisor = supervise.NewSupervisor(supervise.SystemClock, journal, nil)
	var err error
	e.owner, err = system.Root.SpawnNamed(supervise.PropsOf(func() actor.Actor { return o }, journal), n.name)
	if err == nil {
		err = <-started
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("end %s: %w", n.name, err), conn.Close())
	}
	e.protocol = n.mounted.Spec.Name
	e.Link = e.link.Host(e.protocol).Attached().(*protocols.Link)
	// The link's actors start one after another. What a test sends to the protocol's actor before
	// its start would be lost.
	e.awaitStep(e.Self(), 0, e.gone, func(s Step) bool { return s.Event == Started })
	return e, nil
}

// end waits until the link's actors are gone, and stops the service and their owner.
func (e *End) end() error {
	if !closes(e.gone) {
		return fmt.Errorf("end %s: an actor has not stopped %v after the link's end", e.name, patience)
	}
	begin := time.Now()
	supervise.Send(e.root, e.owner, &finish{})
	if !closes(e.stopped) {
		return fmt.Errorf("end %s: the service has not stopped within %v", e.name, patience)
	}
	if took := time.Since(begin); took > e.stopTimeout+stopMargin {
		return fmt.Errorf("end %s: the service took %v to stop; a node cuts it off after %v (Spec.StopTimeout)", e.name, took, e.stopTimeout)
	}
	return nil
}

// stopMargin is added to the time that a service has to stop, because the machine that runs
// the test may be slow.
const stopMargin = time.Second
