package supervise_test

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// TestYieldLetsSocketsBeRead: on one core, a goroutine that waits for a socket runs while another
// one yields, although that one is never idle.
func TestYieldLetsSocketsBeRead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere Yield is runtime.Gosched")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	here, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var read atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1); ; read.Add(1) {
			if _, err := there.Read(b); err != nil {
				return
			}
		}
	}()
	supervise.Yield() // the reader has begun to wait
	const bytes = 100
	late := 0
	for i := range int64(bytes) {
		if _, err := here.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		// The poller reports the socket and the yield in any order, and the kernel may deliver the
		// byte late on a busy machine.
		for yields := 0; read.Load() <= i && yields < 20; yields++ {
			supervise.Yield()
		}
		if read.Load() <= i {
			late++
		}
	}
	// The scheduler's own look at the sockets, every 10 ms, takes the reader at other times.
	if late > bytes/2 {
		t.Errorf("%d of %d bytes were read too late", late, bytes)
	}
	there.Close()
	<-done
}

func BenchmarkYield(b *testing.B) {
	for b.Loop() {
		supervise.Yield()
	}
}
