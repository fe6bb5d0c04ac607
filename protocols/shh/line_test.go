package shh_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// line starts n nodes. Each has a link to the next one.
func line(t *testing.T, n int) (all []*shh.Whisper) {
	t.Helper()
	c := nodetest.New(t, n, func(_ int, cfg *node.Config) {
		w := newWhisper(t, easy)
		all = append(all, w)
		cfg.Specs = []protocols.Spec{w.Spec()}
	})
	c.Line()
	return all
}

// TestLine: a message that is posted at either end of a line of fifty nodes arrives at both
// ends, once.
func TestLine(t *testing.T) {
	const n = 50
	all := line(t, n)
	ends := [2]*shh.Whisper{all[0], all[n-1]}
	var feeds [2]<-chan *shh.Message
	for i, w := range ends {
		var err error
		if feeds[i], err = w.Subscribe(t.Context(), shh.Criteria{SymKeyID: symKeyID(t, w), Topics: []shh.Topic{topic}}); err != nil {
			t.Fatal(err)
		}
	}
	const rounds = 3
	for round := range rounds {
		for i, w := range ends {
			text := fmt.Sprintf("%d of end %d", round, i)
			post(t, w, topic, text)
			for at, feed := range feeds { // the posting end receives it too
				if got := next(t, feed); string(got.Payload) != text {
					t.Fatalf("end %d got %q, want %q", at, got.Payload, text)
				}
			}
		}
	}
	// A duplicate would have arrived before the last message.
	for i, feed := range feeds {
		if len(feed) > 0 {
			t.Errorf("end %d received more messages", i)
		}
	}
	for i, w := range all {
		if got := w.Info().Messages; got != 2*rounds {
			t.Errorf("node %d has %d envelopes, want %d", i, got, 2*rounds)
		}
	}
}

func next(t *testing.T, feed <-chan *shh.Message) *shh.Message {
	t.Helper()
	select {
	case m := <-feed:
		return m
	case <-time.After(time.Minute):
		t.Fatal("no message within a minute")
		return nil
	}
}
