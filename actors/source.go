package actors

import "io"

// source is how the pump reads from a connection.
type source interface {
	// read reads once into memory that it asks for only when it needs it.
	// 0 and no error means that there was no memory to read into.
	read(in intake) (int, error)
	// await returns when a read would find something, or at once where that can't
	// be told without reading.
	await()
}

// intake is the pump as a source sees it.
type intake interface {
	space() []byte // memory to read into; nil: none to be had now
	nothing()      // there was nothing to read; the memory may be given back
}

// blockingSource reads from any connection. While it waits, it holds memory.
type blockingSource struct{ conn io.Reader }

func (s blockingSource) await() {}

func (s blockingSource) read(in intake) (int, error) {
	b := in.space()
	if b == nil {
		return 0, nil
	}
	return s.conn.Read(b)
}
