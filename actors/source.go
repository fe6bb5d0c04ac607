package actors

import "io"

// source is how the pump reads from a connection.
type source interface {
	// read reads once. It requests memory from in only when there is something to read. 0 and no
	// error means that there was no memory.
	read(in intake) (int, error)
	// await returns when a read would find something, or at once if that cannot be found out
	// without reading.
	await()
	// park returns at once, and calls wake when a read would find something or unpark is called,
	// whichever comes first. It returns false, and never calls wake, if the source cannot do that.
	park(wake func()) bool
	// unpark wakes a parked source.
	unpark()
	// interruptible reports whether a read deadline in the past makes read return
	// os.ErrDeadlineExceeded, after which reading can go on.
	interruptible() bool
	// unacknowledged returns how many bytes that this node wrote the remote's system has not
	// acknowledged, 0 if that is not known.
	unacknowledged() int
}

// intake is the pump as seen by a source.
type intake interface {
	space() []byte        // memory to read into; nil: none available now
	nothing() (wait bool) // there was nothing to read, and the memory may be released; if wait is false, read returns errNothing
}

// blockingSource reads from any connection. It holds memory while it waits.
type blockingSource struct{ conn io.Reader }

func (s blockingSource) await()              {}
func (s blockingSource) park(func()) bool    { return false }
func (s blockingSource) unpark()             {}
func (s blockingSource) interruptible() bool { return false } // it may be any connection
func (s blockingSource) unacknowledged() int { return 0 }

func (s blockingSource) read(in intake) (int, error) {
	b := in.space()
	if b == nil {
		return 0, nil
	}
	return s.conn.Read(b)
}
