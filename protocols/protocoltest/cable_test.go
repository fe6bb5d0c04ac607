package protocoltest_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

var (
	here  = netip.MustParseAddrPort("198.51.100.1:1000")
	there = netip.MustParseAddrPort("[2001:db8::1]:30303")
)

// wantAt checks that a read returns want at the given time after begin.
func wantAt(t *testing.T, c net.Conn, begin time.Time, after time.Duration, want string) {
	t.Helper()
	got := make([]byte, 100)
	n, err := c.Read(got)
	if took := time.Since(begin); string(got[:n]) != want || err != nil || took != after {
		t.Errorf("read %q, %v after %v, want %q after %v", got[:n], err, took, want, after)
	}
}

func TestCableAddresses(t *testing.T) {
	c := protocoltest.NewCable(0, here, there)
	for _, addr := range []struct {
		got  net.Addr
		want netip.AddrPort
	}{{c.A().LocalAddr(), here}, {c.A().RemoteAddr(), there}, {c.B().LocalAddr(), there}, {c.B().RemoteAddr(), here}} {
		if addr.got.String() != addr.want.String() {
			t.Errorf("address %v, want %v", addr.got, addr.want)
		}
	}
}

// TestCableLatency: data arrives later, not more slowly, and in order.
func TestCableLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lag = 100 * time.Millisecond
		c := protocoltest.NewCable(0, here, there)
		c.SetLatency(lag)
		begin := time.Now()
		c.A().Write([]byte("one"))
		time.Sleep(lag / 2)
		c.A().Write([]byte("two"))
		c.B().Write([]byte("back"))
		if err := c.A().SetReadDeadline(time.Now().Add(lag / 2)); err != nil {
			t.Fatal(err)
		}
		(<-reading(c.A(), make([]byte, 1))).check(t, "read of data in transit", 0, os.ErrDeadlineExceeded)
		c.A().SetReadDeadline(time.Time{})
		wantAt(t, c.B(), begin, lag, "one")
		wantAt(t, c.B(), begin, lag*3/2, "two")
		wantAt(t, c.A(), begin, lag*3/2, "back")

		c.A().Write([]byte("slow"))
		c.SetLatency(0)
		c.A().Write([]byte(" fast"))
		wantAt(t, c.B(), begin, lag*5/2, "slow fast")
		c.A().Write([]byte("at once"))
		wantAt(t, c.B(), begin, lag*5/2, "at once")
	})
}

// TestCableCloseHasLatency: both sides notice the close after the latency, and earlier data
// arrives first.
func TestCableCloseHasLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lag = time.Second
		c := protocoltest.NewCable(0, here, there)
		c.SetLatency(lag)
		begin := time.Now()
		c.A().Write([]byte("last"))
		c.A().Close()
		(<-writing(c.B(), []byte("unaware"))).check(t, "write", 7, nil)
		wantAt(t, c.B(), begin, lag, "last")
		(<-reading(c.B(), make([]byte, 1))).check(t, "read", 0, io.EOF)
		(<-writing(c.B(), []byte("aware"))).check(t, "write", 0, io.ErrClosedPipe)
		if took := time.Since(begin); took != lag {
			t.Errorf("the close arrived after %v, want %v", took, lag)
		}
	})
}

// TestCableBuffer: data in transit uses the buffer, and a writer without room waits until it is
// read.
func TestCableBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lag = time.Second
		c := protocoltest.NewCable(4, here, there)
		c.SetLatency(lag)
		begin := time.Now()
		done := writing(c.A(), []byte("12345678"))
		wantAt(t, c.B(), begin, lag, "1234")
		wantAt(t, c.B(), begin, 2*lag, "5678")
		(<-done).check(t, "write", 8, nil)
	})
}

// TestCableCarriesBytes: all bytes arrive, whatever happens to the network meanwhile.
func TestCableCarriesBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := protocoltest.NewCable(700, here, there)
		sent := make([]byte, 20_000)
		random := rand.NewChaCha8([32]byte{1})
		random.Read(sent)
		go func() {
			sizes := rand.New(random)
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 1+sizes.IntN(1000))
				if _, err := c.A().Write(rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
			c.A().Close()
		}()
		calm := make(chan struct{})
		go func() {
			defer close(calm)
			for i := range 60 {
				c.SetLatency(time.Duration(i%4) * 10 * time.Millisecond)
				c.SetDown(i%5 == 0)
				time.Sleep(7 * time.Millisecond)
			}
			c.SetDown(false)
		}()
		got, err := io.ReadAll(pieces{c.B()})
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the %d bytes read differ from the %d bytes written, %v", len(got), len(sent), err)
		}
		<-calm
	})
}

// TestCableDown: nothing passes, neither end is notified, and nothing is lost.
func TestCableDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := protocoltest.NewCable(10, here, there)
		begin := time.Now()
		c.A().Write([]byte("before"))
		c.SetDown(true)
		(<-writing(c.A(), []byte("then"))).check(t, "write", 4, nil)
		full := writing(c.A(), []byte("more"))
		c.B().SetReadDeadline(begin.Add(time.Minute))
		(<-reading(c.B(), make([]byte, 1))).check(t, "read", 0, os.ErrDeadlineExceeded)
		c.A().SetWriteDeadline(time.Now())
		(<-full).check(t, "write beyond the buffer", 0, os.ErrDeadlineExceeded)
		c.A().Close()
		(<-writing(c.B(), []byte("unaware"))).check(t, "write", 7, nil)
		c.SetDown(false)
		c.B().SetReadDeadline(time.Time{})
		wantAt(t, c.B(), begin, time.Minute, "beforethen")
		(<-reading(c.B(), make([]byte, 1))).check(t, "read", 0, io.EOF)
		(<-writing(c.B(), []byte("aware"))).check(t, "write", 0, io.ErrClosedPipe)
	})
}

func TestCableReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := protocoltest.NewCable(0, here, there)
		c.SetLatency(time.Hour)
		c.A().Write([]byte("lost"))
		c.Reset()
		for _, end := range []net.Conn{c.A(), c.B()} {
			(<-reading(end, make([]byte, 1))).check(t, "read", 0, syscall.ECONNRESET)
			(<-writing(end, make([]byte, 1))).check(t, "write", 0, syscall.ECONNRESET)
		}
	})
}

// TestPairOnABadNetwork: an answer takes the latency of both directions; a link survives a short
// outage and ends by itself in a long one.
func TestPairOnABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := protocoltest.NewPair(t, counting(), protocoltest.ByHand(counting()))
		p.SetLatency(150 * time.Millisecond)
		begin := time.Now()
		ask := func(took time.Duration) {
			t.Helper()
			send(t, p.B, &Ask{})
			protocoltest.Next[Total](p.B)
			if got := time.Since(begin); got != took {
				t.Errorf("the answer arrived after %v, want %v", got, took)
			}
		}
		ask(300 * time.Millisecond)

		p.SetDown(true)
		begin = time.Now()
		time.AfterFunc(10*time.Second, func() { p.SetDown(false) })
		ask(10*time.Second + 150*time.Millisecond)

		p.SetDown(true)
		for _, e := range []*protocoltest.End{p.A, p.B} {
			<-e.Context().Done() // longer than Wait waits
			if c := e.Wait(); c.Side != protocols.Local || c.Reason != protocols.DiscReadTimeout {
				t.Errorf("ended with %v, want a time-out", c)
			}
		}
		if errors.Is(p.A.Cause(), syscall.ECONNRESET) {
			t.Error("an end received a reset")
		}
	})
}
