package window_test

import (
	"sync"
	"testing"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/window"
)

// TestReadersWhileItChanges: links read while the head moves, back and forth.
func TestReadersWhileItChanges(t *testing.T) {
	w := window.New(window.Config{})
	all, other := headers(t, 0, 60), fork(t, 50, 60)
	w.SetHead(all)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for n := uint64(0); ; n = (n + 1) % 61 {
				select {
				case <-stop:
					return
				default:
				}
				for p := range chain.AccessList {
					_, _ = w.Read(p, n)
				}
				w.Number(all[n].Hash)
				w.Side(all[n].Hash)
				w.Run()
			}
		})
	}
	for range 5 {
		fill(t, w)
		w.SetHead(other)
		fill(t, w)
		w.SetHead(all[40:])
	}
	close(stop)
	readers.Wait()
	if h, ok := w.Head(); !ok || h.Hash != all[60].Hash {
		t.Errorf("head %d, %v", h.Number, ok)
	}
}
