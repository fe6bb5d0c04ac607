package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v3"

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

// relayedWhispers returns shh/6 for a node that only relays messages.
func relayedWhispers() protocols.Spec { return shh.New(shh.Config{}).Spec() }

// shhCommand returns the commands that read and send Whisper messages through a node that relays
// them.
func shhCommand() *cli.Command {
	common := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: flagPeer, Usage: "`ENODE` of the node that relays the messages"},
			&cli.StringFlag{Name: flagPassword, Usage: "`PASSWORD` that senders and readers share", Sources: cli.EnvVars("TROUPE_SHH_PASSWORD")},
			&cli.StringFlag{Name: flagTopic, Usage: "topic of four bytes in `HEX`"},
		}, more...)
	}
	return &cli.Command{Name: "shh", Usage: "read and send Whisper messages (EIP-627)", Commands: []*cli.Command{
		{Name: "listen", Usage: "print the messages of a topic as they arrive", Action: listenToWhispers, Flags: common(
			&cli.IntFlag{Name: flagCount, Usage: "end after this `NUMBER` of messages", DefaultText: "never"},
			&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"},
		)},
		{Name: "send", Usage: "send one message", ArgsUsage: "TEXT", Action: sendWhisper, Flags: common(
			&cli.Uint32Flag{Name: flagTTL, Usage: "`SECONDS` for which nodes keep and relay the message", Value: shh.DefaultTTL},
			&cli.Uint32Flag{Name: flagPowTime, Usage: "maximum `SECONDS` to spend on the proof of work", Value: 30},
		)},
	}}
}

// whispers is the state that both commands share: a Whisper with the one key, and a link on
// which the peer has sent its status.
type whispers struct {
	*visit
	shh   *shh.Whisper
	key   string // its ID
	topic shh.Topic
}

// startWhispers reads the flags and visits the peer. It calls ready before it connects, so that
// ready can subscribe before the first message arrives. The caller stops the visit.
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
	// The node asks for the topic alone, and accepts any PoW that the peer relays.
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

// awaitGreeting waits until the peer has sent its status. It returns an error if the link ends
// first.
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
			if err := ended(ctx, e, ok); err != nil {
				return err
			}
		}
	}
}

// listenToWhispers prints messages until it is interrupted or the link ends.
func listenToWhispers(ctx context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	var messages <-chan *shh.Message
	w, err := startWhispers(ctx, cmd, func(w *whispers) (err error) {
		messages, err = w.shh.Subscribe(ctx, shh.Criteria{SymKeyID: w.key, Topics: []shh.Topic{w.topic}})
		return err
	})
	if err != nil {
		return err
	}
	defer w.stop()
	fmt.Fprintf(cmd.Root().ErrWriter, "connected to %q; listening to topic %v; press Ctrl-C to quit\n", w.n.Peers()[0].Name, w.topic)
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
				return unlessInterrupted(ctx, err)
			}
			if printed++; printed == cmd.Int(flagCount) {
				return nil
			}
		case e, ok := <-w.events:
			if err := ended(ctx, e, ok); ctx.Err() == nil && err != nil {
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

// sendWhisper sends one message and prints the hash of its envelope.
func sendWhisper(ctx context.Context, cmd *cli.Command) error {
	text, err := onlyArgs(cmd, 1)
	if err != nil {
		return err
	}
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
	const leastEnvelope = 256 + 100 // bytes on the wire besides the text; the status is smaller
	flush(ctx, w.n, uint64(leastEnvelope+len(text)))
	fmt.Fprintln(cmd.Root().Writer, hash)
	return nil
}

var errNoPeer = errors.New("link ended")

// peer returns what the peer asks for, as its status and later messages say.
func (w *whispers) peer() (shh.PeerInfo, error) {
	for _, p := range w.n.Peers() {
		if info, ok := p.Protocols["shh"].(shh.PeerInfo); ok {
			return info, nil
		}
	}
	return shh.PeerInfo{}, errNoPeer
}
