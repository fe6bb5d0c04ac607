package asynclog

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Writer passes what is written to it to another writer, without waiting for that. Each Write is
// one line of the log: it is written as a whole or dropped as a whole. Its methods are safe from
// any goroutine.
type Writer struct {
	inner  io.Writer
	queue  queue[[]byte]
	report atomic.Pointer[func(io.Writer, Loss)]
}

// NewWriter makes a Writer in front of w, which only the Writer's goroutine uses from then on.
func NewWriter(w io.Writer) *Writer {
	a := &Writer{inner: w}
	a.queue.write = func(line []byte) error {
		_, err := w.Write(line)
		return err
	}
	a.queue.report = func(loss Loss) []byte {
		var line bytes.Buffer
		if f := a.report.Load(); f != nil {
			(*f)(&line, loss)
		} else {
			fmt.Fprintf(&line, "%d log lines dropped\n", loss.Lines)
		}
		return line.Bytes()
	}
	return a
}

// ReportBy sets the function that writes the report of dropped lines, in the format of the log.
// It must not use the Writer.
func (a *Writer) ReportBy(f func(to io.Writer, loss Loss)) { a.report.Store(&f) }

// Write implements io.Writer. It copies line, and never waits or fails.
func (a *Writer) Write(line []byte) (int, error) {
	a.queue.put(bytes.Clone(line), len(line))
	return len(line), nil
}

// Flush waits until everything is written, at most d. It returns whether that is so.
func (a *Writer) Flush(d time.Duration) bool { return a.queue.flush(d) }

// Unwrap returns the writer behind.
func (a *Writer) Unwrap() io.Writer { return a.inner }

// NonBlocking implements [NonBlocking].
func (a *Writer) NonBlocking() bool { return true }
