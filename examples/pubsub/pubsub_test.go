package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// ear returns a broker and a channel with the posts that it receives.
func ear(t *testing.T, topics ...string) (*broker, <-chan string) {
	t.Helper()
	said := make(chan string, 100)
	b, err := newBroker(topics, func(topic string, data []byte) { said <- topic + " " + string(data) })
	if err != nil {
		t.Fatal(err)
	}
	return b, said
}

func publish(t *testing.T, b *broker, topic, text string) {
	t.Helper()
	if err := b.publish(topic, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestRing: a post goes both ways round a ring, and each node that wants its topic receives it once.
func TestRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 6
		brokers, ears := make([]*broker, n), make([]<-chan string, n)
		for i := range n {
			brokers[i], ears[i] = ear(t, "news", fmt.Sprint("room ", i/2))
		}
		c := nodetest.New(t, n, func(i int, cfg *node.Config) { cfg.Specs = []protocols.Spec{brokers[i].spec()} })
		c.SetLatency(20 * time.Millisecond)
		c.Line()
		c.Connect(n-1, 0)
		publish(t, brokers[0], "news", "to all")
		publish(t, brokers[2], "room 1", "to the one beside me")
		time.Sleep(time.Second) // on the clock of the bubble
		synctest.Wait()
		toAll, toOne := "news to all", "room 1 to the one beside me"
		for i, want := range [n][]string{{}, {toAll}, {toAll}, {toAll, toOne}, {toAll}, {toAll}} {
			heard := []string{}
			for len(ears[i]) > 0 {
				heard = append(heard, <-ears[i])
			}
			if slices.Sort(heard); !slices.Equal(heard, want) {
				t.Errorf("node %d heard %q, want %q", i, heard, want)
			}
		}
	})
}

// TestCrashes: neither a crash of the hub nor one of a link loses the topics that the remote wants.
// The test plays B.
func TestCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, said := ear(t, "news")
		there, _ := ear(t, "news", "weather")
		remote := protocoltest.ByHand(there.spec())
		remote.Service = nil
		p := protocoltest.NewPair(t, here.spec(), remote)
		synctest.Wait() // until A's hub has the link
		for i, crash := range []func(){func() {}, p.A.CrashService, p.A.Crash} {
			crash()
			if err := p.B.Send(&Post{ID: [16]byte{byte(i)}, Topic: "news", Data: []byte{'0' + byte(i)}}); err != nil {
				t.Fatal(err)
			}
			if got, want := <-said, fmt.Sprint("news ", i); got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
			publish(t, here, "sport", "not wanted")
			publish(t, here, "weather", "fine")
			if got := protocoltest.Next[Post](p.B); got.Topic != "weather" || string(got.Data) != "fine" {
				t.Errorf("B got %q on the topic %s", got.Data, got.Topic)
			}
		}
	})
}

// TestTooMuch: a node does not send what breaks the limits, and a remote that does loses the link.
func TestTooMuch(t *testing.T) {
	b, _ := ear(t, "news")
	if err := b.publish("news", nil); err != errNotRunning {
		t.Errorf("without a node: %v", err)
	}
	if err := b.publish("news", make([]byte, maxData+1)); err == nil {
		t.Error("publish accepted too much data")
	}
	long := strings.Repeat("x", maxTopic+1)
	if _, err := newBroker([]string{long}, nil); err == nil {
		t.Error("newBroker accepted a topic that is too long")
	}
	hostile := &broker{topics: []string{long}}
	remote := protocoltest.ByHand(hostile.spec())
	remote.Service = nil
	p := protocoltest.NewPair(t, b.spec(), remote)
	if cause := p.A.Wait(); cause.Side != protocols.Local || cause.Reason != protocols.DiscProtocolError {
		t.Errorf("the link ended: %v", cause)
	}
}
