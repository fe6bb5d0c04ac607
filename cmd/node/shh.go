package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

const (
	flagPeer     = "peer"
	flagPassword = "password"
	flagTopic    = "topic"
	flagTTL      = "ttl"
	flagPowTime  = "powtime"
	flagCount    = "count"
)

// relayedWhispers is shh/6 on a node that only passes messages on.
func relayedWhispers(ctx context.Context, _ *slog.Logger) protocols.Spec {
	w := shh.New(shh.Config{})
	context.AfterFunc(ctx, w.Close)
	return w.Spec()
}

// shhCommand reads and writes Whisper messages by way of a node that passes them on.
func shhCommand() *cli.Command {
	common := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: flagPeer, Usage: "`ENODE` of the node that passes the messages on"},
			&cli.StringFlag{Name: flagPassword, Usage: "`PASSWORD` that readers and writers share", Sources: cli.EnvVars("TROUPE_SHH_PASSWORD")},
			&cli.StringFlag{Name: flagTopic, Usage: "topic in `HEX`, four bytes"},
		}, more...)
	}
	return &cli.Command{Name: "shh", Usage: "read and write Whisper messages (EIP-627)", Commands: []*cli.Command{
		{Name: "listen", Usage: "print the messages of a topic as they come", Action: listenToWhispers, Flags: common(
			&cli.IntFlag{Name: flagCount, Usage: "end after this `NUMBER` of messages", DefaultText: "never"},
			&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"},
		)},
		{Name: "send", Usage: "post one message", ArgsUsage: "TEXT", Action: sendWhisper, Flags: common(
			&cli.Uint32Flag{Name: flagTTL, Usage: "`SECONDS` for which the message is passed on", Value: shh.DefaultTTL},
			&cli.Uint32Flag{Name: flagPowTime, Usage: "`SECONDS` to work for it at most", Value: 30},
		)},
	}}
}

// whispers is what both commands have: a node's side of Whisper with the one key, and a
// link on which the peer has greeted.
type whispers struct {
	*visit
	shh   *shh.Whisper
	key   string // its ID
	topic shh.Topic
}

// startWhispers reads the flags and visits the peer. ready is called before, so that nothing
// that comes is missed. The caller stops the visit.
func startWhispers(ctx context.Context, cmd *cli.Command, ready func(*whispers) error) (*whispers, error) {
	target, err := oneNode(cmd.String(flagPeer))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flagPeer, err)
	}
	topic, err := shh.TopicOf(cmd.String(flagTopic))
	if err != nil {
		return nil, usage(fmt.Errorf("--%s: %w", flagTopic, err))
	}
	password := cmd.String(flagPassword)
	if password == "" {
		return nil, usage(fmt.Errorf("--%s is missing", flagPassword))
	}
	// It asks for nothing but the topic, and takes whatever the peer lets through.
	bloom := topic.Bloom()
	w := &whispers{shh: shh.New(shh.Config{MinPoW: -1, Bloom: &bloom}), topic: topic}
	if w.key, err = w.shh.GenerateSymKeyFromPassword(password); err != nil {
		return nil, err
	}
	if err := ready(w); err != nil {
		return nil, err
	}
	if w.visit, err = startVisit(ctx, cmd, target, w.shh.Spec()); err != nil {
		return nil, err
	}
	if err := w.awaitGreeting(ctx); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

// awaitGreeting waits until the peer has said what it wants, or has gone.
func (w *whispers) awaitGreeting(ctx context.Context) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	greeted := make(chan error, 1)
	go func() { greeted <- w.shh.Await(waiting) }()
	for {
		select {
		case err := <-greeted:
			return err
		case e, ok := <-w.events:
			if err := ended(e, ok); err != nil {
				return err
			}
		}
	}
}

// ended is an error if the link has ended, or the node.
func ended(e node.Event, ok bool) error {
	switch {
	case !ok:
		return context.Canceled
	case e.Kind == node.PeerDropped:
		return fmt.Errorf("the link has ended: %w", e.Cause)
	}
	return nil
}

// listenToWhispers prints messages until it is interrupted or the link ends.
func listenToWhispers(ctx context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	var messages <-chan *shh.Message
	w, err := startWhispers(ctx, cmd, func(w *whispers) (err error) {
		messages, err = w.shh.Subscribe(ctx, shh.Criteria{SymKeyID: w.key, Topics: []shh.Topic{w.topic}})
		return err
	})
	if err != nil {
		return err
	}
	defer w.stop()
	fmt.Fprintf(cmd.Root().ErrWriter, "connected to %q; listening to topic %v; end with Ctrl-C\n", w.n.Peers()[0].Name, w.topic)
	show := printWhisper
	if cmd.Bool(flagJSON) {
		show = func(out io.Writer, m *shh.Message) error { return json.NewEncoder(out).Encode(m) }
	}
	for printed := 0; ; {
		select {
		case m, ok := <-messages:
			if !ok {
				return nil
			}
			if err := show(cmd.Root().Writer, m); err != nil {
				return err
			}
			if printed++; printed == cmd.Int(flagCount) {
				return nil
			}
		case e, ok := <-w.events:
			if err := ended(e, ok); ctx.Err() == nil && err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func printWhisper(out io.Writer, m *shh.Message) error {
	sent := time.Unix(int64(m.Timestamp), 0).Format(time.DateTime)
	_, err := fmt.Fprintf(out, "%s  %s\n", sent, chat.Printable(string(m.Payload)))
	return err
}

// sendWhisper posts one message and prints the hash of its envelope.
func sendWhisper(ctx context.Context, cmd *cli.Command) error {
	text, err := onlyArgs(cmd, 1)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	w, err := startWhispers(ctx, cmd, func(*whispers) error { return nil })
	if err != nil {
		return err
	}
	defer w.stop()
	peer, err := w.peer()
	if err != nil {
		return err
	}
	hash, err := w.shh.Post(ctx, shh.NewMessage{
		SymKeyID: w.key, Topic: w.topic, Payload: []byte(text), TTL: cmd.Uint32(flagTTL),
		PowTarget: max(shh.DefaultMinPoW, peer.MinPoW), PowTime: cmd.Uint32(flagPowTime),
	})
	if err != nil {
		return err
	}
	if peer, err = w.peer(); err != nil {
		return err
	}
	if peer.Sent == 0 {
		return fmt.Errorf("the peer does not want messages of topic %v", w.topic)
	}
	const leastEnvelope = 256 + 100 // bytes on the wire, above those of the text; the status has fewer
	flush(ctx, w.n, uint64(leastEnvelope+len(text)))
	fmt.Fprintln(cmd.Root().Writer, hash)
	return nil
}

var errNoPeer = errors.New("the link has ended")

// peer is what the peer has told of itself.
func (w *whispers) peer() (shh.PeerInfo, error) {
	for _, p := range w.n.Peers() {
		if info, ok := p.Protocols["shh"].(shh.PeerInfo); ok {
			return info, nil
		}
	}
	return shh.PeerInfo{}, errNoPeer
}
