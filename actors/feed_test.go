package actors

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestFeedWithoutSubscribers(t *testing.T) {
	var none *Feed
	if none.active() || NewFeed().active() {
		t.Error("a feed without subscribers is active")
	}
	f := NewFeed()
	f.publish(MessageEvent{}) // this may run concurrently with the last unsubscription
	if f.Dropped() != 0 {
		t.Errorf("%d events dropped without a subscriber", f.Dropped())
	}
}

func TestFeedReachesEverySubscriber(t *testing.T) {
	f := NewFeed()
	ctx, leave := context.WithCancel(t.Context())
	first := f.Subscribe(ctx, 10)
	second := f.Subscribe(t.Context(), 10)
	f.publish(MessageEvent{Code: 1})
	leave()
	// The channel closes when its context ends; events already in it can still be read.
	if got := <-first; got.Code != 1 {
		t.Errorf("got code %d, want 1", got.Code)
	}
	if e, ok := <-first; ok {
		t.Errorf("got %+v after the context ended", e)
	}
	f.publish(MessageEvent{Code: 2})
	for want := uint64(1); want <= 2; want++ {
		if got := <-second; got.Code != want {
			t.Errorf("got code %d, want %d", got.Code, want)
		}
	}
	if !f.active() {
		t.Error("the feed is inactive though it has a subscriber")
	}
}

func TestFeedNeverWaits(t *testing.T) {
	f := NewFeed()
	slow := f.Subscribe(t.Context(), 2)
	fast := f.Subscribe(t.Context(), 10)
	for code := range uint64(5) {
		f.publish(MessageEvent{Code: code})
	}
	if f.Dropped() != 3 {
		t.Errorf("%d events dropped, want 3", f.Dropped())
	}
	if len(slow) != 2 || len(fast) != 5 {
		t.Errorf("%d and %d events wait, want 2 and 5", len(slow), len(fast))
	}
	if got := <-slow; got.Code != 0 {
		t.Errorf("the oldest event that waits has code %d, want 0", got.Code)
	}
}

// TestFeedWhileSubscribersLeave: subscribers come and go while links publish; no event is sent to
// a closed channel.
func TestFeedWhileSubscribersLeave(t *testing.T) {
	f := NewFeed()
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	for range 2 {
		publishers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if f.active() {
						f.publish(MessageEvent{Time: time.Now()})
					}
				}
			}
		})
	}
	for range 40 {
		ctx, leave := context.WithCancel(t.Context())
		ch := f.Subscribe(ctx, 1)
		<-ch
		leave()
		for range ch { // until it is closed
		}
	}
	close(stop)
	publishers.Wait()
	if f.active() {
		t.Error("the feed is active without subscribers")
	}
}
