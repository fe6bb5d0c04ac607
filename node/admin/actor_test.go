package admin

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// harness runs the actor of this package under a supervisor, as a node does.
type harness struct {
	t       *testing.T
	sockets *Sockets
	apis    atomic.Pointer[[]API]
	system  *actor.ActorSystem
	parent  *actor.PID
	service *actor.PID
	restart chan struct{} // receives once for each restart
}

// parent supervises the actor.
type parent struct {
	*supervise.Supervisor
	o       *harness
	spawned chan struct{}
}

func (p *parent) Receive(ctx actor.Context) {
	if p.Handle(ctx.Message()) {
		return
	}
	if _, ok := ctx.Message().(*actor.Started); ok {
		p.o.service = ctx.Spawn(Props(p.o.sockets))
		p.Adopt(p.o.service, &supervise.Policy{Restart: supervise.Permanent, Intensity: supervise.Intensity{Restarts: -1}})
		close(p.spawned)
	}
}

// serve runs the actor until the test ends. Without cfg.APIs it serves namespace toy.
func serve(t *testing.T, cfg Config) *harness {
	t.Helper()
	o := &harness{t: t, restart: make(chan struct{}, 10)}
	apis := []API{{Namespace: "toy", Service: toy{}}}
	if cfg.APIs != nil {
		apis = cfg.APIs()
	}
	o.apis.Store(&apis)
	cfg.APIs = func() []API { return *o.apis.Load() }
	cfg.Log = slog.New(slog.DiscardHandler)
	cfg.Journal = supervise.NewJournal(cfg.Log, func(e supervise.Step) {
		if e.Event == supervise.Restarted {
			o.restart <- struct{}{}
		}
	})
	var err error
	if o.sockets, err = Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	o.system = actortest.NewSystem()
	p := &parent{Supervisor: supervise.NewSupervisor(supervise.SystemClock, cfg.Journal, nil), o: o, spawned: make(chan struct{})}
	o.parent = o.system.Root.Spawn(supervise.PropsOf(func() actor.Actor { return p }, cfg.Journal, actor.WithSupervisor(p)))
	<-p.spawned
	t.Cleanup(func() {
		if err := o.system.Root.StopFuture(o.parent).Wait(); err != nil {
			t.Error(err)
		}
		o.system.Shutdown()
	})
	return o
}

// tell sends the actor a message.
func (o *harness) tell(msg any) { supervise.Send(o.system.Root, o.service, msg) }

// dialAt returns a client that is connected until the test ends.
func dialAt(t *testing.T, url string) *rpc.Client {
	t.Helper()
	c, err := rpc.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// add calls toy_add.
func add(t *testing.T, c *rpc.Client) (sum int, err error) {
	t.Helper()
	err = c.CallContext(t.Context(), &sum, "toy_add", 2, 3)
	return sum, err
}

// socketIn returns a path in a new directory that is short enough for a socket.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return filepath.Join(dir, "s")
}

func TestSocketIsItsOwners(t *testing.T) {
	path := socketIn(t)
	serve(t, Config{IPC: path})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if sum, err := add(t, dialAt(t, path)); sum != 5 || err != nil {
		t.Errorf("%d, %v", sum, err)
	}
	if _, err := Open(t.Context(), Config{IPC: path}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open of the same socket: %v", err)
	}
	if sum, err := add(t, dialAt(t, path)); sum != 5 || err != nil {
		t.Errorf("call after the second Open: %d, %v", sum, err)
	}
}

func TestSocketsThatAreInTheWay(t *testing.T) {
	path := socketIn(t)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // leaves the file, as kill -9 does
	ln.Close()
	s, err := Open(t.Context(), Config{IPC: path})
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	s.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file exists after Close: %v", err)
	}

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{IPC: path}); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("Open at a regular file: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file contains %q, %v", text, err)
	}
	datagrams := path + "d" // no node can serve there, and it is not stale
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: datagrams, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := Open(t.Context(), Config{IPC: datagrams}); !errors.Is(err, syscall.EADDRINUSE) || !errors.Is(err, syscall.EPROTOTYPE) {
		t.Errorf("Open at a socket of datagrams: %v, want why it can't be had, and why it was not replaced", err)
	}
	if _, err := Open(t.Context(), Config{IPC: path + strings.Repeat("x", maxPath)}); !errors.Is(err, ErrPathTooLong) {
		t.Errorf("Open with a long path: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other := path + "2"
	if _, err := Open(t.Context(), Config{IPC: other, HTTP: &HTTP{Addr: taken.Addr().String(), HTTP: true}}); err == nil {
		t.Error("Open succeeded with a port in use")
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unix socket exists after Open failed for TCP: %v", err)
	}
}

// After a crash the actor serves again at the same addresses.
func TestCrashReopens(t *testing.T) {
	path := socketIn(t)
	o := serve(t, Config{IPC: path, HTTP: &HTTP{Addr: "127.0.0.1:0", HTTP: true, Namespaces: []string{"toy"}}})
	addr := o.sockets.Addr()
	before := dialAt(t, path)
	if _, err := add(t, before); err != nil {
		t.Fatal(err)
	}
	o.tell(&supervise.Inject{})
	actortest.Receive(t, o.restart)
	for _, url := range []string{path, "http://" + addr} {
		if sum, err := addAgain(t, url); sum != 5 {
			t.Errorf("call to %s after the crash: %v", url, err)
		}
	}
}

// addAgain calls until the actor answers: the restart is reported before the actor has
// started.
func addAgain(t *testing.T, url string) (sum int, err error) {
	t.Helper()
	actortest.Poll(func() bool {
		var c *rpc.Client
		if c, err = rpc.DialContext(t.Context(), url); err != nil {
			return false
		}
		defer c.Close()
		sum, err = add(t, c)
		return err == nil
	})
	return sum, err
}

// Namespaces that are added later are served to later connections only.
func TestChangedNamespaces(t *testing.T) {
	path := socketIn(t)
	o := serve(t, Config{IPC: path})
	before := dialAt(t, path)
	if _, err := add(t, before); err != nil {
		t.Fatal(err)
	}
	o.apis.Store(&[]API{{Namespace: "later", Service: toy{}}})
	o.tell(&Changed{})
	has := func(namespace string) bool {
		c := dialAt(t, path)
		defer c.Close()
		modules, err := c.SupportedModules()
		if err != nil {
			t.Fatal(err)
		}
		_, ok := modules[namespace]
		return ok
	}
	actortest.Eventually(t, "the new namespace", func() bool { return has("later") })
	if has("toy") {
		t.Error("a new connection has the removed namespace")
	}
	if sum, err := add(t, before); sum != 5 {
		t.Errorf("an old connection has lost its namespace: %v", err)
	}
}
