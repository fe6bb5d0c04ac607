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
}

// intake is the pump as seen by a source.
type intake interface {
	space() []byte // memory to read into; nil: none available now
	nothing()      // there was nothing to read; the memory may be released
}

// blockingSource reads from any connection. It holds memory while it waits.
type blockingSource struct{ conn io.Reader }

func (s blockingSource) await() {}

func (s blockingSource) read(in intake) (int, error) {
	b := in.space()
	if b == nil {
		return 0, nil
	}
	return s.conn.Read(b)
}
