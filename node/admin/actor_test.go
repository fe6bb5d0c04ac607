package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// office runs an actor of this package under a supervisor, as a node does.
type office struct {
	t       *testing.T
	sockets *Sockets
	apis    atomic.Pointer[[]API]
	system  *actor.ActorSystem
	boss    *actor.PID
	desk    *actor.PID
	restart chan struct{} // one for each
}

// boss supervises the actor.
type boss struct {
	*supervise.Supervisor
	o     *office
	hired chan struct{}
}

func (b *boss) Receive(ctx actor.Context) {
	if b.Handle(ctx.Message()) {
		return
	}
	if _, ok := ctx.Message().(*actor.Started); ok {
		b.o.desk = ctx.Spawn(Props(b.o.sockets))
		b.Adopt(b.o.desk, &supervise.Policy{Restart: supervise.Permanent, Intensity: supervise.Intensity{Restarts: -1}})
		close(b.hired)
	}
}

// serve runs the actor until the test ends.
func serve(t *testing.T, cfg Config) *office {
	t.Helper()
	o := &office{t: t, restart: make(chan struct{}, 10)}
	o.apis.Store(&[]API{{Namespace: "toy", Service: toy{}}})
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
	b := &boss{Supervisor: supervise.NewSupervisor(supervise.SystemClock, cfg.Journal, nil), o: o, hired: make(chan struct{})}
	o.boss = o.system.Root.Spawn(supervise.PropsOf(func() actor.Actor { return b }, cfg.Journal, actor.WithSupervisor(b)))
	<-b.hired
	t.Cleanup(func() {
		if err := o.system.Root.StopFuture(o.boss).Wait(); err != nil {
			t.Error(err)
		}
		o.system.Shutdown()
	})
	return o
}

// tell sends the actor a message.
func (o *office) tell(msg any) { supervise.Send(o.system.Root, o.desk, msg) }

// dialAt connects until the test ends.
func dialAt(t *testing.T, url string) *rpc.Client {
	t.Helper()
	c, err := rpc.DialContext(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// add makes a call that the toy understands.
func add(t *testing.T, c *rpc.Client) (sum int, err error) {
	t.Helper()
	err = c.CallContext(t.Context(), &sum, "toy_add", 2, 3)
	return sum, err
}

// socketIn gives a path in a directory of its own, short enough for a socket.
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
		t.Errorf("opened by two nodes: %v", err)
	}
	if sum, err := add(t, dialAt(t, path)); sum != 5 || err != nil {
		t.Errorf("after another node has tried: %d, %v", sum, err)
	}
}

func TestSocketsThatAreInTheWay(t *testing.T) {
	path := socketIn(t)
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // as kill -9 leaves it
	ln.Close()
	s, err := Open(t.Context(), Config{IPC: path})
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	s.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("closed, and still there: %v", err)
	}

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{IPC: path}); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if _, err := Open(t.Context(), Config{IPC: path + strings.Repeat("x", maxPath)}); !errors.Is(err, ErrPathTooLong) {
		t.Errorf("a long path: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other := path + "2"
	if _, err := Open(t.Context(), Config{IPC: other, HTTP: &HTTP{Addr: taken.Addr().String(), HTTP: true}}); err == nil {
		t.Error("a port that is taken was opened")
	}
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one of two could not be opened, and the other stayed: %v", err)
	}
}

// A crash closes connections; then everything is where it was.
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
			t.Errorf("%s after the crash: %v", url, err)
		}
	}
}

// addAgain calls until there is an answer: the journal has the restart before the actor has
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

// Namespaces that come later are for those who come later.
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
		t.Error("the old namespace is there")
	}
	if sum, err := add(t, before); sum != 5 {
		t.Errorf("whoever was connected lost it: %v", err)
	}
}

// Whoever comes when all places are taken hears why, and those who have one keep it.
func TestTooManyConnections(t *testing.T) {
	path := socketIn(t)
	serve(t, Config{IPC: path})
	var clients []*rpc.Client
	for range maxConns {
		c := dialAt(t, path)
		if _, err := add(t, c); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if text, err := io.ReadAll(conn); !strings.Contains(string(text), "connections are open already") {
		t.Errorf("one too many heard %q, %v", text, err)
	}
	for _, c := range clients {
		if sum, err := add(t, c); sum != 5 {
			t.Error(err)
		}
	}
}
