package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto/keccak"
	"github.com/ethereum/go-ethereum/p2p/rlpx"

	"github.com/troupe-p2p/troupe/wire"
)

// Each benchmark also runs go-ethereum's rlpx, because the ratio is comparable between machines.

var benchSizes = []int{32, 1024, 32768}

// gethConn returns a go-ethereum connection after its handshake that writes to and reads from rw.
func gethConn(rw io.ReadWriter) *rlpx.Conn {
	c := rlpx.NewConn(memory{rw}, nil)
	c.InitWithSecrets(rlpx.Secrets{
		AES: make([]byte, 32), MAC: make([]byte, 32), EgressMAC: keccak.NewLegacyKeccak256(), IngressMAC: keccak.NewLegacyKeccak256(),
	})
	c.SetSnappy(true)
	return c
}

// memory is a net.Conn over an io.ReadWriter.
type memory struct{ io.ReadWriter }

func (memory) Close() error                     { return nil }
func (memory) LocalAddr() net.Addr              { return nil }
func (memory) RemoteAddr() net.Addr             { return nil }
func (memory) SetDeadline(time.Time) error      { return nil }
func (memory) SetReadDeadline(time.Time) error  { return nil }
func (memory) SetWriteDeadline(time.Time) error { return nil }

type discard struct{ io.Reader }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkSeal(b *testing.B) {
	for _, size := range benchSizes {
		payload := random(size, 1)
		b.Run(fmt.Sprintf("troupe/%d", size), func(b *testing.B) {
			e, _ := codec(b)
			var out []byte
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				var err error
				if out, err = wire.AppendCompressed(out[:0], 0x10, payload); err != nil {
					b.Fatal(err)
				}
				if err := e.Seal(out); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("geth/%d", size), func(b *testing.B) {
			c := gethConn(discard{})
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := c.Write(0x10, payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range benchSizes {
		payload := random(size, 1)
		perRound := 1 + 1<<20/size // frames sealed at once, while the benchmark's timer is stopped
		b.Run(fmt.Sprintf("troupe/%d", size), func(b *testing.B) {
			e, d := codec(b)
			plain := make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			var stream, rest []byte
			for b.Loop() {
				if len(rest) == 0 {
					b.StopTimer()
					stream = stream[:0]
					for range perRound {
						stream, _ = wire.AppendCompressed(stream, 0x10, payload)
					}
					if err := e.Seal(stream); err != nil {
						b.Fatal(err)
					}
					rest = stream
					b.StartTimer()
				}
				frame, n, _, err := d.Next(rest)
				if err != nil {
					b.Fatal(err)
				}
				rest = rest[n:]
				_, block, err := wire.ParseMessage(frame)
				if err != nil {
					b.Fatal(err)
				}
				if _, ok := wire.Literal(block); ok {
					continue
				}
				if _, err := wire.Decompress(plain, block); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("geth/%d", size), func(b *testing.B) {
			var stream bytes.Buffer
			w, r := gethConn(&stream), gethConn(&stream)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			left := 0
			for b.Loop() {
				if left == 0 {
					b.StopTimer()
					stream.Reset()
					for range perRound {
						if _, err := w.Write(0x10, payload); err != nil {
							b.Fatal(err)
						}
					}
					left = perRound
					b.StartTimer()
				}
				if _, _, _, err := r.Read(); err != nil {
					b.Fatal(err)
				}
				left--
			}
		})
	}
}

// BenchmarkHandshake runs the encryption handshake of both sides, without Hello.
func BenchmarkHandshake(b *testing.B) {
	dialer, listener := newKey(b), newKey(b)
	b.Run("troupe", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i, err := wire.NewAuth(dialer, &listener.PublicKey, nil)
			if err != nil {
				b.Fatal(err)
			}
			r, err := wire.OpenAuth(listener, i.Packet())
			if err != nil {
				b.Fatal(err)
			}
			ack, s, err := r.Accept(nil)
			if err != nil {
				b.Fatal(err)
			}
			wire.NewSession(s, nil)
			if s, err = i.Finish(ack); err != nil {
				b.Fatal(err)
			}
			wire.NewSession(s, nil)
		}
	})
	b.Run("geth", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			near, far := net.Pipe()
			done := make(chan error, 1)
			go func() {
				_, err := rlpx.NewConn(far, nil).Handshake(listener)
				done <- err
			}()
			if _, err := rlpx.NewConn(near, &listener.PublicKey).Handshake(dialer); err != nil {
				b.Fatal(err)
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
	})
}
