package shh_test

import (
	"testing"
	"testing/synctest"

	"github.com/troupe-p2p/troupe/protocols/protocoltest"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// TestEnvelopesGoWithTheLastNode: a Whisper without a node drops its envelopes, without Close, and
// works again when a node runs it.
func TestEnvelopesGoWithTheLastNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shh.New(easy) // a timer that goes on would keep the bubble from ending
		run := func() *protocoltest.Pair {
			t.Helper()
			p, err := protocoltest.Connect(w.Spec(), protocoltest.ByHand(remoteSpec()))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		has := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := w.Info().Messages; got != want {
				t.Errorf("the node has %d envelopes, want %d", got, want)
			}
		}
		first, second := run(), run()
		post(t, w, topic, "text")
		for _, c := range []struct {
			end  *protocoltest.Pair
			left int
		}{{first, 1}, {second, 0}} {
			if err := c.end.Close(); err != nil {
				t.Error(err)
			}
			has(c.left)
		}
		third := run()
		post(t, w, topic, "text")
		has(1)
		if err := third.Close(); err != nil {
			t.Error(err)
		}
		has(0)
	})
}
