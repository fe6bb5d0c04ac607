package main

import (
	"bufio"
	"context"
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
)

// flushTimeout is how long the last lines get to leave before the good-bye.
const flushTimeout = 2 * time.Second

// loggedChat is chat/1 on a node without a terminal: what is said stands in the log.
func loggedChat(ctx context.Context, log *slog.Logger) protocols.Spec {
	room := chat.NewRoom()
	lines := room.Hear(ctx)
	go func() {
		for line := range lines {
			log.Info("chat", "from", chat.Printable(line.From.Name), "addr", line.From.Addr, "line", line.Text)
		}
	}()
	return room.Spec()
}

// talk connects to a node and lets its user chat until the end of the input.
func talk(ctx context.Context, cmd *cli.Command) error {
	target, err := nodeArg(cmd)
	if err != nil {
		return err
	}
	key, err := givenKey(cmd)
	if err != nil {
		return usage(err)
	}
	room := chat.NewRoom()
	cfg := node.Config{Key: key, Name: node.ClientName(cmd.String(flagIdentity)), Specs: []protocols.Spec{room.Spec()}}
	if key == nil {
		if cfg.Key, err = node.FreshKey(); err != nil {
			return err
		}
	}
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
	events, heard := n.Subscribe(ctx), room.Hear(ctx)
	if err := n.Start(ctx); err != nil {
		return err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = n.Stop(stopping) // the process ends anyway
	}()
	if err := n.AddPeer(target); err != nil {
		return err
	}
	if err := awaitPeer(events); err != nil {
		return err
	}
	if err := room.Await(ctx); err != nil {
		return err
	}
	c := conversation{n: n, room: room, out: cmd.Root().Writer, events: events, heard: heard}
	return c.run(ctx, cmd.Root().Reader)
}

// awaitPeer waits for the link, or for the reason why there is none.
func awaitPeer(events <-chan node.Event) error {
	for e := range events {
		switch e.Kind {
		case node.PeerAdded:
			return nil
		case node.SetupFailed:
			return e.Err
		}
	}
	return context.Canceled
}

// conversation is what the user sees.
type conversation struct {
	n      *node.Node
	room   *chat.Room
	out    io.Writer
	events <-chan node.Event
	heard  <-chan chat.Line
	said   uint64
}

func (c *conversation) run(ctx context.Context, in io.Reader) error {
	fmt.Fprintf(c.out, "connected to %q; end with Ctrl-D\n", c.n.Peers()[0].Name)
	typed := make(chan string)
	go read(ctx, in, typed)
	for {
		select {
		case line, ok := <-typed:
			if !ok {
				c.flush(ctx)
				return nil
			}
			c.say(line)
		case line := <-c.heard:
			fmt.Fprintf(c.out, "%s> %s\n", chat.Printable(line.From.Name), line.Text)
		case e := <-c.events:
			if e.Kind == node.PeerDropped {
				return fmt.Errorf("the link has ended: %w", e.Cause)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (c *conversation) say(line string) {
	if line == "" {
		return
	}
	taken, err := c.room.Say(line)
	if err == nil && taken == 0 {
		err = errors.New("the remote is too slow")
	}
	if err != nil {
		fmt.Fprintf(c.out, "not sent: %v\n", err)
		return
	}
	c.said++
}

// flush waits until the lines that were said are written: a Disconnect would overtake
// them. Nobody tells when that is, so it takes the link's silence for it.
func (c *conversation) flush(ctx context.Context) {
	const (
		tick      = 5 * time.Millisecond
		silence   = 10      // ticks
		leastSize = 32 + 32 // bytes on the wire of the smallest frame
	)
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	timeout := time.After(flushTimeout)
	written, quiet := uint64(0), 0
	for quiet < silence || written < leastSize*c.said {
		peers := c.n.Peers()
		if len(peers) == 0 {
			return
		}
		if now := peers[0].BytesOut; now != written {
			written, quiet = now, 0
		}
		quiet++
		select {
		case <-ticks.C:
		case <-timeout:
			return
		case <-ctx.Done():
			return
		}
	}
}

// read hands on lines until the input ends.
func read(ctx context.Context, in io.Reader, lines chan<- string) {
	defer close(lines)
	s := bufio.NewScanner(in)
	for s.Scan() {
		select {
		case lines <- s.Text():
		case <-ctx.Done():
			return
		}
	}
}
