package peers

import "sync"

// arriving are the sessions on their way to the peers actor. An actor that stops loses the messages
// in its mailbox, and their connections would stay open.
type arriving struct {
	mu   sync.Mutex
	list map[*Establish]struct{}
	over bool // the actor has stopped
}

// HandOver gives the connection of an Establish to the peers actor, to which the caller then sends the
// message. If the actor has stopped, HandOver closes the connection and returns false.
func (t *Table) HandOver(msg *Establish) bool {
	a := &t.arriving
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		_ = msg.Conn.Close() // no actor reports an error any more
		return false
	}
	if a.list == nil {
		a.list = map[*Establish]struct{}{}
	}
	a.list[msg] = struct{}{}
	return true
}

// arrived makes the caller the owner of the connection of an Establish.
func (t *Table) arrived(msg *Establish) {
	t.arriving.mu.Lock()
	defer t.arriving.mu.Unlock()
	delete(t.arriving.list, msg)
}

// closeArriving closes the connections that the actor has not taken. The actor has stopped.
func (t *Table) closeArriving() {
	a := &t.arriving
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for msg := range a.list {
		_ = msg.Conn.Close()
	}
	a.list = nil
}
