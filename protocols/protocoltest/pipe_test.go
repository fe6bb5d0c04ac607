package protocoltest_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// result is what a call on a connection returned.
type result struct {
	n   int
	err error
}

func writing(c net.Conn, p []byte) <-chan result {
	done := make(chan result, 1)
	go func() {
		n, err := c.Write(p)
		done <- result{n, err}
	}()
	return done
}

func reading(c net.Conn, p []byte) <-chan result {
	done := make(chan result, 1)
	go func() {
		n, err := c.Read(p)
		done <- result{n, err}
	}()
	return done
}

func (r result) check(t *testing.T, what string, n int, err error) {
	t.Helper()
	if r.n != n || !errors.Is(r.err, err) || (r.err == nil) != (err == nil) {
		t.Errorf("%s returned %d, %v; want %d, %v", what, r.n, r.err, n, err)
	}
}

// TestPipeCarriesBytes transfers more than the buffer holds, in pieces of all sizes.
func TestPipeCarriesBytes(t *testing.T) {
	for _, buffer := range []int{1, 7, 512, 600, protocoltest.DefaultBuffer} {
		a, b := protocoltest.Pipe(buffer)
		sent := make([]byte, 20_000)
		random := rand.NewChaCha8([32]byte{byte(buffer)})
		random.Read(sent)
		go func() {
			sizes := rand.New(random)
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1+sizes.IntN(3*buffer))
				if _, err := a.Write(rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
			a.Close()
		}()
		got, err := io.ReadAll(pieces{b})
		if err != nil {
			t.Error(err)
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("buffer of %d: the %d bytes read differ from the %d bytes written", buffer, len(got), len(sent))
		}
		b.Close()
	}
}

// pieces reads in pieces of odd sizes.
type pieces struct{ from io.Reader }

func (r pieces) Read(p []byte) (int, error) { return r.from.Read(p[:min(len(p), 333)]) }

func TestPipeHoldsTheWriterBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := protocoltest.Pipe(10)
		done := writing(a, make([]byte, 15))
		synctest.Wait()
		select {
		case r := <-done:
			t.Fatalf("a buffer of 10 bytes accepted 15: %+v", r)
		default:
		}
		(<-reading(b, make([]byte, 4))).check(t, "first read", 4, nil)
		synctest.Wait()
		(<-reading(b, make([]byte, 20))).check(t, "second read", 10, nil)
		(<-done).check(t, "write", 15, nil)
		(<-reading(b, make([]byte, 20))).check(t, "third read", 1, nil)
	})
}

// TestPipeTakesBothWritesOfAHandshake: both sides can write first, which net.Pipe does not allow.
func TestPipeTakesBothWritesOfAHandshake(t *testing.T) {
	a, b := protocoltest.Pipe(64)
	for _, c := range []net.Conn{a, b} {
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []net.Conn{a, b} {
		got := make([]byte, 5)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := protocoltest.Pipe(10)
		begin := time.Now()
		a.SetReadDeadline(begin.Add(3 * time.Second))
		(<-reading(a, make([]byte, 1))).check(t, "read", 0, os.ErrDeadlineExceeded)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("read waited %v, want 3 s", took)
		}
		(<-reading(a, make([]byte, 1))).check(t, "read after the deadline", 0, os.ErrDeadlineExceeded)

		a.SetWriteDeadline(time.Now().Add(time.Second))
		(<-writing(a, make([]byte, 15))).check(t, "write", 10, os.ErrDeadlineExceeded)

		// A new deadline releases a waiting call; one in the past ends it.
		a.SetDeadline(time.Time{})
		waiting := reading(a, make([]byte, 1))
		time.Sleep(time.Hour)
		a.SetReadDeadline(time.Now().Add(-time.Second))
		(<-waiting).check(t, "read", 0, os.ErrDeadlineExceeded)
		a.SetReadDeadline(time.Now().Add(time.Second))
		b.Write([]byte{1})
		(<-reading(a, make([]byte, 1))).check(t, "read within a new deadline", 1, nil)

		// The timer of the old deadline has no effect on the new one.
		a.SetReadDeadline(time.Now().Add(time.Second))
		a.SetReadDeadline(time.Now().Add(time.Minute))
		moved := time.Now()
		(<-reading(a, make([]byte, 1))).check(t, "read", 0, os.ErrDeadlineExceeded)
		if took := time.Since(moved); took != time.Minute {
			t.Errorf("read waited %v, want a minute", took)
		}
	})
}

func TestPipeCloses(t *testing.T) {
	for name, c := range map[string]struct {
		closed  func(a, b net.Conn)
		read    error // of b
		readN   int   // three bytes are unread
		write   error // of b
		ownRead error // of a
	}{
		"by the remote":      {func(a, _ net.Conn) { a.Close() }, io.EOF, 3, io.ErrClosedPipe, net.ErrClosed},
		"by itself":          {func(_, b net.Conn) { b.Close() }, net.ErrClosed, 0, net.ErrClosed, io.EOF},
		"half by the remote": {func(a, _ net.Conn) { a.(interface{ CloseWrite() error }).CloseWrite() }, io.EOF, 3, nil, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := protocoltest.Pipe(10)
				a.Write([]byte{1, 2, 3})
				c.closed(a, b)
				c.closed(a, b) // twice, as deferred Closes do
				got, err := io.ReadAll(b)
				if c.read == io.EOF {
					c.read = nil // io.ReadAll returns nil for io.EOF
				}
				result{len(got), err}.check(t, "read", c.readN, c.read)
				n := 1
				if c.write != nil {
					n = 0
				}
				if r := <-writing(b, []byte{9}); r.n != n || !errors.Is(r.err, c.write) {
					t.Errorf("write returned %d, %v; want %d, %v", r.n, r.err, n, c.write)
				}
				a.SetReadDeadline(time.Now().Add(time.Second))
				if c.write == nil {
					n, c.ownRead = 1, nil // the byte that b wrote
				} else {
					n = 0
				}
				(<-reading(a, make([]byte, 1))).check(t, "read of a", n, c.ownRead)
			})
		})
	}
}

func TestPipeCloseSetsWaitersFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := protocoltest.Pipe(10)
		write, read := writing(a, make([]byte, 15)), reading(a, make([]byte, 1))
		synctest.Wait()
		b.Close()
		(<-write).check(t, "write", 10, io.ErrClosedPipe)
		(<-read).check(t, "read", 0, io.EOF)
	})
}

// TestResetIsNoClose: Pair.Cut is a reset at both ends, and also discards what had arrived and
// was not read.
func TestResetIsNoClose(t *testing.T) {
	p := protocoltest.NewPair(t, counting(), counting())
	p.Cut()
	for _, e := range []*protocoltest.End{p.A, p.B} {
		if c := e.Wait(); c.Reason != protocols.DiscNetworkError || !errors.Is(c.Err, syscall.ECONNRESET) {
			t.Errorf("ended with %v, want a connection reset", c)
		}
	}
}

func TestPipeAddresses(t *testing.T) {
	a, b := protocoltest.Pipe(1)
	if a.LocalAddr().String() != b.RemoteAddr().String() || b.LocalAddr().String() != a.RemoteAddr().String() {
		t.Errorf("addresses do not match: %v→%v and %v→%v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
	}
	if a.LocalAddr().String() == b.LocalAddr().String() {
		t.Errorf("both ends have address %v", a.LocalAddr())
	}
}
