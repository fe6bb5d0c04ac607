package peers

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/actors/supervise"
)

// owned runs a peers actor. rand is its source of chance.
func owned(t *testing.T, rand func() float64) (*Table, *actor.ActorSystem, *actor.PID) {
	t.Helper()
	system := actortest.NewSystem()
	rt := supervise.Runtime{
		System: system, Dispatcher: supervise.NewDispatcher(), Journal: supervise.NewJournal(nil), Clock: supervise.SystemClock,
	}
	t.Cleanup(func() {
		rt.Dispatcher.Close()
		system.Shutdown()
	})
	table := NewTable(enode.ID{}, Limits{Peers: 1}, nil)
	return table, system, system.Root.Spawn(Props(Config{
		Runtime: rt, Table: table, Rand: rand, Logger: slog.New(slog.DiscardHandler),
	}))
}

// TestSessionOfAStoppedActor: a session in the mailbox of the actor when it stops, and one that comes
// later, do not leave their connections open.
func TestSessionOfAStoppedActor(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		table, system, owner := owned(t, func() float64 { <-gate; return 0 })
		supervise.Send(system.Root, owner, &rotationDue{}) // the actor is busy until the gate opens
		actortest.After(time.Millisecond)
		closed := func(theirs net.Conn) bool {
			_ = theirs.SetReadDeadline(time.Now().Add(time.Second))
			_, err := theirs.Read(make([]byte, 1))
			return errors.Is(err, io.EOF)
		}
		ours, theirs := net.Pipe()
		waits := &Establish{Conn: ours}
		if !table.HandOver(waits) {
			t.Error("a running actor takes no connection")
		}
		supervise.Send(system.Root, owner, waits)
		system.Root.Stop(owner)
		actortest.After(time.Millisecond)
		if closed(theirs) {
			t.Error("the connection is closed while the actor may take it")
		}
		close(gate)
		actortest.After(time.Millisecond)
		if !closed(theirs) {
			t.Error("the connection of a session in the mailbox is open")
		}
		ours, theirs = net.Pipe()
		if table.HandOver(&Establish{Conn: ours}) || !closed(theirs) {
			t.Error("a stopped actor has taken a connection, or it is open")
		}
	})
}

// TestSessionOfACrash: the connection of a session whose handling panics is closed.
func TestSessionOfACrash(t *testing.T) {
	actortest.Bubble(t, func(t *testing.T) {
		table, system, owner := owned(t, func() float64 { return 0 })
		ours, theirs := net.Pipe()
		broken := &Establish{Conn: ours} // it has no By
		table.HandOver(broken)
		supervise.Send(system.Root, owner, broken)
		_ = theirs.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		system.Root.Stop(owner)
		actortest.After(time.Second)
	})
}
