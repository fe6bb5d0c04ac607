package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
)

// busy is a service that a hostile client can abuse.
type busy struct {
	started atomic.Int64
	begin   chan struct{} // begins Flood
	over    chan struct{} // closes when Flood has ended
	release chan struct{} // ends Wait
}

// Wait is busy_wait: it blocks until release.
func (b *busy) Wait() bool {
	b.started.Add(1)
	<-b.release
	return true
}

// Echo is busy_echo.
func (b *busy) Echo(s string) string {
	b.started.Add(1)
	return s
}

// Flood is the subscription flood: it sends notifications without end.
func (b *busy) Flood(ctx context.Context) (*rpc.Subscription, error) {
	notifier, _ := rpc.NotifierFromContext(ctx)
	sub := notifier.CreateSubscription()
	go func() {
		defer close(b.over)
		<-b.begin
		for {
			select {
			case <-sub.Err():
				return
			default:
				if notifier.Notify(sub.ID, strings.Repeat("x", 1000)) != nil {
					return
				}
			}
		}
	}()
	return sub, nil
}

// Once is the subscription once: it sends one notification.
func (b *busy) Once(ctx context.Context) (*rpc.Subscription, error) {
	notifier, _ := rpc.NotifierFromContext(ctx)
	sub := notifier.CreateSubscription()
	go func() {
		select {
		case <-b.begin:
			_ = notifier.Notify(sub.ID, "event") // the client reports what is missing
		case <-sub.Err():
		}
	}()
	return sub, nil
}

// Silent is the subscription silent.
func (b *busy) Silent(ctx context.Context) (*rpc.Subscription, error) {
	notifier, _ := rpc.NotifierFromContext(ctx)
	return notifier.CreateSubscription(), nil
}

// client is the far end of one connection of a session.
type client struct {
	net.Conn
	t     *testing.T
	in    *bufio.Scanner
	ended chan struct{} // closes when the session has ended the connection
}

// connect serves one connection, over a pipe. A pipe has no buffer, so a client that does
// not read blocks the server at once.
func connect(t *testing.T, b *busy) *client {
	t.Helper()
	return connectBy(t, b, writeTimeout, func(c carrier) carrier { return c })
}

// connectBy is connect with a write timeout, and with a carrier that by makes.
func connectBy(t *testing.T, b *busy, within time.Duration, by func(carrier) carrier) *client {
	t.Helper()
	server, err := NewServer([]API{{Namespace: "busy", Service: b}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	c := &client{Conn: far, t: t, in: bufio.NewScanner(far), ended: make(chan struct{})}
	s := newSession(new(counters))
	s.within = within
	go func() {
		defer close(c.ended)
		s.serve(server, s.stream(by(newLine(near))))
	}()
	return c
}

// say sends a text.
func (c *client) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// hear returns the next text.
func (c *client) hear() string {
	c.t.Helper()
	if !c.in.Scan() {
		c.t.Fatalf("connection ended: %v", c.in.Err())
	}
	return c.in.Text()
}

// quit closes the connection and waits until the server has ended it.
func (c *client) quit() {
	c.Close()
	<-c.ended
}

func echo(id int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"busy_echo","params":["hello"]}`, id)
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{release: make(chan struct{})}
		c := connect(t, b)
		go func() {
			for id := range 1000 {
				if _, err := fmt.Fprintf(c, `{"jsonrpc":"2.0","id":%d,"method":"busy_wait"}`, id); err != nil {
					t.Error(err)
				}
			}
		}()
		synctest.Wait()
		if got := b.started.Load(); got != maxCalls {
			t.Errorf("%d calls in progress, want %d", got, maxCalls)
		}
		close(b.release)
		for range 1000 {
			if got := c.hear(); !strings.Contains(got, `"result":true`) {
				t.Fatal(got)
			}
		}
		c.quit()
	})
}

// A client that does not read stalls itself, and is disconnected after the write timeout.
func TestClientThatNeverReads(t *testing.T) {
	b := &busy{}
	// This test uses the real clock: the clock of a synctest bubble stands still while package
	// rpc waits for a mutex.
	c := connectBy(t, b, 50*time.Millisecond, func(c carrier) carrier { return c })
	for id := 0; ; id++ {
		if _, err := io.WriteString(c, echo(id)); err != nil {
			break
		}
	}
	<-c.ended
	if got := b.started.Load(); got > maxCalls {
		t.Errorf("%d calls were run for a client that reads no answer, want at most %d", got, maxCalls)
	}
	c.quit()
}

// notReading is a carrier whose client reads answers, but no notification.
type notReading struct {
	carrier
	answers chan string
}

func (n *notReading) write(text []byte) error {
	if bytes.HasPrefix(text, notification) {
		return os.ErrDeadlineExceeded
	}
	n.answers <- string(text)
	return nil
}

// A subscriber that does not read a notification in time loses connection and subscription.
func TestSubscriberThatNeverReads(t *testing.T) {
	b := &busy{begin: make(chan struct{}), over: make(chan struct{})}
	answers := make(chan string, 1)
	c := connectBy(t, b, writeTimeout, func(c carrier) carrier { return &notReading{c, answers} })
	c.say(`{"jsonrpc":"2.0","id":1,"method":"busy_subscribe","params":["flood"]}`)
	if got := <-answers; !strings.Contains(got, `"result"`) {
		t.Error(got)
	}
	close(b.begin)
	<-c.ended
	<-b.over // Notify failed, or the subscription ended
	c.quit()
}

func TestSubscriptionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, &busy{})
		for id := range maxSubscriptions {
			c.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"busy_subscribe","params":["silent"]}`, id))
			if got := c.hear(); !strings.Contains(got, `"result"`) {
				t.Fatal(got)
			}
		}
		c.say(`[{"jsonrpc":"2.0","id":"last","method":"busy_subscribe","params":["silent"]}]`)
		if got := c.hear(); !strings.Contains(got, `"id":"last"`) || !strings.Contains(got, "too many subscriptions") {
			t.Errorf("answer to a subscription beyond the limit: %s", got)
		}
		c.say(echo(1))
		if got := c.hear(); !strings.Contains(got, "hello") {
			t.Errorf("call after the rejected subscription: %s", got)
		}
		c.quit()
	})
}

// Texts that are too large, too many or invalid get an error as the answer.
func TestWrongTexts(t *testing.T) {
	batch := func(n int) string { return "[" + strings.Repeat(echo(1)+",", n-1) + echo(1) + "]" }
	for name, tt := range map[string]struct {
		text, want string
		ends       bool
	}{
		"huge":           {`{"jsonrpc":"2.0","id":1,"method":"busy_echo","params":["` + strings.Repeat("x", maxText) + `"]}`, "more than", true},
		"huge batch":     {batch(10_000), "batch too large", false},
		"no JSON":        {`{"jsonrpc": nonsense}`, "invalid character", true},
		"no object":      {`5 `, "invalid request", false},
		"empty batch":    {`[]`, "empty batch", false},
		"no method":      {`{"jsonrpc":"2.0","id":1,"method":"busy_none"}`, "does not exist", false},
		"wrong params":   {`{"jsonrpc":"2.0","id":1,"method":"busy_echo","params":[{}]}`, "invalid argument", false},
		"deeply nested":  {`{"jsonrpc":"2.0","id":1,"method":"busy_echo","params":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "exceeded max depth", true},
		"a call with id": {echo(7), `"id":7`, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, &busy{})
				go func() { _, _ = io.WriteString(c, tt.text) }() // the server may close in the middle of the text
				if got := c.hear(); !strings.Contains(got, tt.want) || !json.Valid([]byte(got)) {
					t.Errorf("answer %.200s", got)
				}
				if tt.ends {
					<-c.ended
				} else {
					c.say(echo(2))
					if got := c.hear(); !strings.Contains(got, `"id":2`) {
						t.Errorf("answer to the next call: %s", got)
					}
				}
				c.quit()
			})
		})
	}
}

// A text that wants no answer is not run, because its calls could not be bounded.
func TestNotificationsOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{}
		c := connect(t, b)
		for range 3 * maxCalls {
			c.say(`{"jsonrpc":"2.0","method":"busy_echo","params":["x"]}`)
			c.say(`{"jsonrpc":"2.0","id":1,"result":"x"}`)
		}
		c.say(echo(2))
		if got := c.hear(); !strings.Contains(got, `"id":2`) || b.started.Load() != 1 {
			t.Errorf("%s after %d calls", got, b.started.Load())
		}
		c.quit()
	})
}
