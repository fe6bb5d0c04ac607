package setup

import (
	"net"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/peers"
	"github.com/troupe-p2p/troupe/node/punch"
)

// maxWaiting limits the accepted connections that wait for a slot. More wait in the kernel.
const maxWaiting = 1024

// Intake passes connections to the pool. Each needs a credit, which the pool gives back when
// the connection has a slot or is closed. Its methods are safe from any goroutine.
type Intake struct {
	Runtime supervise.Runtime
	Table   *peers.Table
	Pool    *actor.PID

	credits chan struct{}
}

// NewIntake makes an intake with all its credits.
func NewIntake(rt supervise.Runtime, table *peers.Table, pool *actor.PID) *Intake {
	return &Intake{Runtime: rt, Table: table, Pool: pool, credits: make(chan struct{}, maxWaiting)}
}

// Credits returns the channel to which an accepting goroutine sends one value before each
// connection. If it then has no connection, it calls GiveBack.
func (i *Intake) Credits() chan<- struct{} { return i.credits }

// GiveBack returns a credit.
func (i *Intake) GiveBack() { <-i.credits }

// Accept takes a connection for which the caller has a credit. It closes the connection and
// returns false when the node is stopping.
func (i *Intake) Accept(conn net.Conn) bool {
	if i.Table.Closed() {
		_ = conn.Close() // no actor would take it
		i.GiveBack()
		return false
	}
	i.Runtime.Send(i.Pool, &accepted{conn})
	return true
}

// AcceptPunched takes the connection of a node that called through NATs. It closes the
// connection if too many connections wait already, or the node is stopping.
func (i *Intake) AcceptPunched(conn net.Conn) {
	if !i.Table.Closed() {
		select {
		case i.credits <- struct{}{}:
			i.Runtime.Send(i.Pool, &called{conn: punch.NewHandover(i.Runtime.Clock, conn)})
			return
		default:
		}
	}
	_ = conn.Close() // the remote notices it
}
