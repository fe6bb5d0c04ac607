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

// ear is a broker that keeps what it hears.
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

// TestRing: a post goes both ways round a ring, and each node hears it once, if it wants to.
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
		time.Sleep(time.Second) // of the bubble
		synctest.Wait()
		everybody, neighbour := "news to all", "room 1 to the one beside me"
		for i, want := range [n][]string{{}, {everybody}, {everybody}, {everybody, neighbour}, {everybody}, {everybody}} {
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

// TestCrashes: neither the hub's nor a link's crash loses what the remote wants to hear.
// B is played by hand.
func TestCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, said := ear(t, "news")
		there, _ := ear(t, "news", "weather")
		remote := protocoltest.ByHand(there.spec())
		remote.Service = nil
		p := protocoltest.NewPair(t, here.spec(), remote)
		synctest.Wait() // for A's hub to have the link
		for i, crash := range []func(){func() {}, p.A.CrashService, p.A.Crash} {
			crash()
			if err := p.B.Send(&Post{ID: [16]byte{byte(i)}, Topic: "news", Data: []byte{'0' + byte(i)}}); err != nil {
				t.Fatal(err)
			}
			if got, want := <-said, fmt.Sprint("news ", i); got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
			publish(t, here, "sport", "nobody wants it")
			publish(t, here, "weather", "fine")
			if got := protocoltest.Next[Post](p.B); got.Topic != "weather" || string(got.Data) != "fine" {
				t.Errorf("B got %q about %s", got.Data, got.Topic)
			}
		}
	})
}

// TestTooMuch: what breaks the rules is not sent, and ends the link of who sends it.
func TestTooMuch(t *testing.T) {
	b, _ := ear(t, "news")
	if err := b.publish("news", nil); err != errNotRunning {
		t.Errorf("without a node: %v", err)
	}
	if err := b.publish("news", make([]byte, maxData+1)); err == nil {
		t.Error("too much was published")
	}
	long := strings.Repeat("x", maxTopic+1)
	if _, err := newBroker([]string{long}, nil); err == nil {
		t.Error("a topic is too long, and was taken")
	}
	hostile := &broker{topics: []string{long}}
	remote := protocoltest.ByHand(hostile.spec())
	remote.Service = nil
	p := protocoltest.NewPair(t, b.spec(), remote)
	if cause := p.A.Wait(); cause.Side != protocols.Local || cause.Reason != protocols.DiscProtocolError {
		t.Errorf("the link ended: %v", cause)
	}
}
