package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

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
	unsent int // lines that could not be sent
}

// run ends when the input, the link or the reader of the output does, and at a signal. It returns
// an error also if the input could not be sent as a whole.
func (c *conversation) run(ctx context.Context, in io.Reader) error {
	_, err := fmt.Fprintf(c.out, "connected to %q; press Ctrl-D to quit\n", c.n.Peers()[0].Name)
	typed := make(chan typedLine)
	go read(ctx, in, typed)
	for {
		if err != nil {
			return unlessInterrupted(ctx, err)
		}
		select {
		case line := <-typed:
			if line.err != nil {
				c.flush(ctx)
				return c.verdict(line.err)
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

// verdict returns the error of a conversation whose input ended with this one.
func (c *conversation) verdict(ended error) error {
	if !errors.Is(ended, io.EOF) {
		return fmt.Errorf("reading the input: %w", ended)
	}
	if c.unsent > 0 {
		return fmt.Errorf("%d of %d lines were not sent", c.unsent, uint64(c.unsent)+c.said)
	}
	return nil
}

// say sends a line. It returns an error only if the output fails.
func (c *conversation) say(line typedLine) error {
	if line.text == "" {
		return nil
	}
	var (
		taken int
		err   error = chat.ErrTooLong
	)
	if !line.cut {
		taken, err = c.room.Say(line.text)
	}
	if err == nil && taken == 0 {
		err = errors.New("the remote reads too slowly")
	}
	if err != nil {
		c.unsent++
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

// typedLine is a line of the input, or the end of the input.
type typedLine struct {
	text string
	cut  bool  // the line is longer than text, and too long for the protocol
	err  error // why there are no more lines: io.EOF at the end of the input
}

// read sends each line of in to lines, and then the error that ended the input, unless ctx ends.
func read(ctx context.Context, in io.Reader, lines chan<- typedLine) {
	for r := bufio.NewReaderSize(in, chat.MaxLine+len("\r\n")+1); ; {
		line := nextLine(r)
		select {
		case lines <- line:
		case <-ctx.Done():
			return
		}
		if line.err != nil {
			return
		}
	}
}

// nextLine reads a line of any length, of which it keeps no more than the reader's buffer has.
func nextLine(r *bufio.Reader) typedLine {
	part, err := r.ReadSlice('\n')
	line := typedLine{text: string(part), cut: errors.Is(err, bufio.ErrBufferFull)}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n') // the rest, which is dropped
	}
	if err != nil && line.text == "" {
		return typedLine{err: err}
	}
	// An error after some text comes again with the next line.
	line.text = strings.TrimSuffix(strings.TrimSuffix(line.text, "\n"), "\r")
	return line
}
