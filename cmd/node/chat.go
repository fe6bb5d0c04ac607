package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

// loggedChat returns chat/1 for a node without a terminal: received lines go to the log.
func loggedChat() protocols.Spec {
	room := chat.NewRoom()
	spec := room.Spec()
	spec.Provision = func(_ context.Context, env *protocols.Env) error {
		ctx, cancel := context.WithCancel(context.Background())
		lines, logged := room.Hear(ctx), make(chan struct{})
		go func() {
			defer close(logged)
			for line := range lines {
				env.Logger.Info("chat", "from", chat.Printable(line.From.Name), "addr", line.From.Addr, "line", line.Text)
			}
		}()
		env.Cleanup(func() {
			cancel()
			<-logged
		})
		return nil
	}
	return spec
}

// talk connects to a node and sends the lines of standard input until they end.
func talk(ctx context.Context, cmd *cli.Command) error {
	target, err := nodeArg(cmd)
	if err != nil {
		return err
	}
	room := chat.NewRoom()
	heard := room.Hear(ctx)
	v, err := startVisit(ctx, cmd, target, room.Spec())
	if err != nil {
		return err
	}
	defer v.stop()
	if err := room.Await(ctx); err != nil {
		return err
	}
	c := conversation{n: v.n, room: room, out: cmd.Root().Writer, events: v.events, heard: heard}
	return c.run(ctx, cmd.Root().Reader)
}

// conversation passes lines between the terminal and a chat room.
type conversation struct {
	n      *node.Node
	room   *chat.Room
	out    io.Writer
	events <-chan node.Event
	heard  <-chan chat.Line
	said   uint64
}

// run ends when the input, the link or the reader of the output does, and at a signal.
func (c *conversation) run(ctx context.Context, in io.Reader) error {
	_, err := fmt.Fprintf(c.out, "connected to %q; press Ctrl-D to quit\n", c.n.Peers()[0].Name)
	typed := make(chan string)
	go read(ctx, in, typed)
	for {
		if err != nil {
			return unlessInterrupted(ctx, err)
		}
		select {
		case line, ok := <-typed:
			if !ok {
				c.flush(ctx)
				return nil
			}
			err = c.say(line)
		case line := <-c.heard:
			_, err = fmt.Fprintf(c.out, "%s> %s\n", chat.Printable(line.From.Name), line.Text)
		case e := <-c.events:
			if e.Kind == node.PeerDropped {
				return fmt.Errorf("link ended: %w", e.Cause)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// say sends a line. It returns an error only if the output fails.
func (c *conversation) say(line string) error {
	if line == "" {
		return nil
	}
	taken, err := c.room.Say(line)
	if err == nil && taken == 0 {
		err = errors.New("the remote reads too slowly")
	}
	if err != nil {
		_, err = fmt.Fprintf(c.out, "not sent: %v\n", err)
		return err
	}
	c.said++
	return nil
}

// flush waits until the lines that the user sent are written to the connection.
func (c *conversation) flush(ctx context.Context) {
	const leastSize = 32 + 32 // bytes of the smallest frame on the wire
	flush(ctx, c.n, leastSize*c.said)
}

// read sends each line of in to lines, and closes lines when the input or ctx ends.
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
