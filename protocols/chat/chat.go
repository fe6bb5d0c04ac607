// Package chat implements the subprotocol chat/1: lines of text between nodes.
//
//	0x00 Say [line]   a line of text, UTF-8, at most 1024 bytes, without line breaks
//
// A [Room] is a node's side of the protocol: its subscribers receive the lines that
// arrive on any link, and a line that the node says goes to every link.
package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
)

// MaxLine is the maximum length of a line in bytes.
const MaxLine = 1024

// Errors of a line that can't be sent.
var (
	ErrTooLong   = fmt.Errorf("line is longer than %d bytes", MaxLine)
	ErrNotText   = errors.New("line is not UTF-8 text")
	ErrLineBreak = errors.New("line contains a line break")
	// ErrNotHere is the error for an ID of which no node is in the room.
	ErrNotHere = errors.New("no such node in the room")
)

// Say is a line of text.
type Say struct{ Line string }

// Line is a line that a node has sent.
type Line struct {
	From protocols.Peer
	Text string // without control characters
	At   time.Time
}

// Room holds the links of one node that run chat. It is safe for concurrent use.
type Room struct {
	mu      sync.Mutex
	links   map[*protocols.Link]struct{} // shared handles
	hearers map[chan Line]struct{}
	arrived chan struct{} // closed and replaced when a link enters

	missed atomic.Uint64
}

// NewRoom makes an empty room.
func NewRoom() *Room {
	return &Room{
		links:   map[*protocols.Link]struct{}{},
		hearers: map[chan Line]struct{}{},
		arrived: make(chan struct{}),
	}
}

// Spec returns the Spec of chat/1 for the room.
func (r *Room) Spec() protocols.Spec {
	return protocols.Spec{
		Name: "chat",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Say](protocols.MaxSize(MaxLine + 16))},
		}},
		New:      func() actor.Actor { return &member{room: r} },
		PeerInfo: func(l *protocols.Link) any { return protocols.State[tally](l).counts() },
	}.Advertised()
}

// Say sends a line to every link and returns the number of links that accepted it. A
// link with a full outbox misses the line.
func (r *Room) Say(text string) (int, error) {
	if err := check(text); err != nil {
		return 0, err
	}
	line, err := protocols.Encode(&Say{Line: text})
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := 0
	for l := range r.links {
		if send(l, line) == nil {
			taken++
		}
	}
	return taken, nil
}

// SayTo sends a line only to the node with the ID id; see [protocols.Peer]. Errors:
// [ErrTooLong], [ErrNotText], [ErrLineBreak], [ErrNotHere], those of
// [protocols.Link.Send].
func (r *Room) SayTo(id, text string) error {
	if err := check(text); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.links {
		if l.Peer().ID == id {
			return send(l, &Say{Line: text})
		}
	}
	return ErrNotHere
}

func send(l *protocols.Link, line any) error {
	err := l.Send(line)
	if err == nil {
		protocols.State[tally](l).sent.Add(1)
	}
	return err
}

func check(text string) error {
	switch {
	case len(text) > MaxLine:
		return ErrTooLong
	case !utf8.ValidString(text):
		return ErrNotText
	case strings.ContainsAny(text, "\r\n"):
		return ErrLineBreak
	}
	return nil
}

// Hear returns a channel of the lines that arrive from now on. The channel closes when
// ctx ends. A line that is not received in time is lost and counted, see [Room.Missed].
func (r *Room) Hear(ctx context.Context) <-chan Line {
	ch := make(chan Line, 64)
	r.mu.Lock()
	r.hearers[ch] = struct{}{}
	r.mu.Unlock()
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.hearers, ch)
		close(ch)
	})
	return ch
}

// Missed returns the number of lines that were lost because a subscriber was too slow.
func (r *Room) Missed() uint64 { return r.missed.Load() }

// Await returns when at least one link is in the room, or when ctx ends.
func (r *Room) Await(ctx context.Context) error {
	for {
		r.mu.Lock()
		n, arrived := len(r.links), r.arrived
		r.mu.Unlock()
		if n > 0 {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *Room) enter(l *protocols.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links[l] = struct{}{}
	close(r.arrived)
	r.arrived = make(chan struct{})
}

func (r *Room) leave(l *protocols.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, l)
}

func (r *Room) heard(line Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ch := range r.hearers {
		select {
		case ch <- line:
		default:
			r.missed.Add(1)
		}
	}
}

// Counts is the number of lines on a link, as lists of peers show it.
type Counts struct {
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

// tally counts the lines of one link, across restarts of its actor.
type tally struct{ sent, received atomic.Uint64 }

func (t *tally) counts() Counts { return Counts{Sent: t.sent.Load(), Received: t.received.Load()} }

// member is the actor of one link.
type member struct {
	room *Room
	link *protocols.Link
}

func (m *member) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkUp:
		m.link = msg.Link
		m.room.enter(m.link.Shared())
	case *protocols.LinkDown:
		m.room.leave(m.link.Shared())
	case *Say:
		m.say(ctx, msg)
	}
}

// say passes a remote's line to the subscribers. A line that no honest node sends ends
// the link.
func (m *member) say(ctx actor.Context, msg *Say) {
	if err := check(msg.Line); err != nil {
		m.link.DisconnectWithError(protocols.DiscProtocolError, err)
		return
	}
	protocols.State[tally](m.link).received.Add(1)
	m.room.heard(Line{From: m.link.Peer(), Text: Printable(msg.Line), At: protocols.ReceivedAt(ctx)})
}

// Printable removes the characters that could move a terminal's cursor, change its
// colours or reverse its text. It keeps letters, marks, numbers, punctuation, symbols
// and spaces.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, s)
}
