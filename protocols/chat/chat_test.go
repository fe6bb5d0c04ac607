package chat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/chat"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// rooms links two rooms. It returns when the link is in both rooms.
func rooms(t *testing.T) (a, b *chat.Room, p *protocoltest.Pair) {
	t.Helper()
	a, b = chat.NewRoom(), chat.NewRoom()
	p = protocoltest.NewPair(t, a.Spec(), b.Spec())
	for _, r := range []*chat.Room{a, b} {
		if err := r.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return a, b, p
}

// remote links a room to a remote that the test controls.
func remote(t *testing.T) (*chat.Room, *protocoltest.Pair) {
	t.Helper()
	room := chat.NewRoom()
	p := protocoltest.NewPair(t, room.Spec(), protocoltest.ByHand(chat.NewRoom().Spec()))
	if err := room.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	return room, p
}

func TestConversation(t *testing.T) {
	a, b, p := rooms(t)
	atA, atB := a.Hear(t.Context()), b.Hear(t.Context())
	if n, err := a.Say("Grüß Gott"); n != 1 || err != nil {
		t.Errorf("Say: %d, %v", n, err)
	}
	if got := <-atB; got.Text != "Grüß Gott" || got.From.ID != p.B.Peer().ID || got.At.IsZero() {
		t.Errorf("B received %+v", got)
	}
	if err := b.SayTo(p.B.Peer().ID, "and to you"); err != nil {
		t.Error(err)
	}
	if got := <-atA; got.Text != "and to you" {
		t.Errorf("A received %+v", got)
	}
	if err := b.SayTo("unknown", "hello?"); err != chat.ErrNotHere {
		t.Errorf("SayTo an unknown ID: %v", err)
	}
	if got := fmt.Sprintf("%+v", p.A.PeerInfo()); got != "{Sent:1 Received:1}" {
		t.Errorf("PeerInfo is %s", got)
	}
	p.A.Crash()
	if n, err := a.Say("still here"); n != 1 || err != nil {
		t.Errorf("Say after a crash: %d, %v", n, err)
	}
	if got := <-atB; got.Text != "still here" {
		t.Errorf("B received %+v", got)
	}
	if got := fmt.Sprintf("%+v", p.A.PeerInfo()); got != "{Sent:2 Received:1}" {
		t.Errorf("PeerInfo after a crash is %s", got)
	}
	p.A.Disconnect(protocols.DiscRequested)
	p.A.Wait()
	if n, err := a.Say("anybody?"); n != 0 || err != nil {
		t.Errorf("Say in an empty room: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Await(ctx); err != context.Canceled {
		t.Errorf("Await in an empty room: %v", err)
	}
}

// unspeakable are lines that Say and SayTo reject, and that end the link if a remote sends
// them.
var unspeakable = map[string]struct {
	line string
	err  error
}{
	"too long":        {strings.Repeat("x", chat.MaxLine+1), chat.ErrTooLong},
	"no UTF-8":        {"abc\xff", chat.ErrNotText},
	"half a rune":     {"abc\xc3", chat.ErrNotText},
	"line feed":       {"one\ntwo", chat.ErrLineBreak},
	"carriage return": {"one\rtwo", chat.ErrLineBreak},
}

func TestUnspeakable(t *testing.T) {
	for name, c := range unspeakable {
		t.Run(name, func(t *testing.T) {
			room, p := remote(t)
			if n, err := room.Say(c.line); n != 0 || err != c.err {
				t.Errorf("Say: %d, %v, want %v", n, err, c.err)
			}
			if err := room.SayTo(p.A.Peer().ID, c.line); err != c.err {
				t.Errorf("SayTo: %v, want %v", err, c.err)
			}
			lines := room.Hear(t.Context())
			if err := p.B.Send(&chat.Say{Line: c.line}); err != nil {
				t.Fatal(err)
			}
			if cause := p.A.Wait(); cause.Side != protocols.Local || cause.Reason != protocols.DiscProtocolError || !errors.Is(cause, c.err) {
				t.Errorf("ended with %v, want a breach because of %v", cause, c.err)
			}
			select {
			case l := <-lines:
				t.Errorf("a subscriber received %q", l.Text)
			default:
			}
		})
	}
}

func TestLongestLine(t *testing.T) {
	a, b, _ := rooms(t)
	lines := b.Hear(t.Context())
	long := strings.Repeat("x", chat.MaxLine)
	if n, err := a.Say(long); n != 1 || err != nil {
		t.Errorf("Say: %d, %v", n, err)
	}
	if got := <-lines; got.Text != long {
		t.Errorf("a subscriber received %d bytes", len(got.Text))
	}
}

// TestTerminalIsSafe: lines from a remote can't control a terminal.
func TestTerminalIsSafe(t *testing.T) {
	for said, want := range map[string]string{
		"plain text, ünïcödé, 日本語, 🙂":           "plain text, ünïcödé, 日本語, 🙂",
		"\x1b[31mred\x1b[0m":                    "[31mred[0m",
		"bell\a back\b\b tab\t nul\x00 del\x7f": "bell back tab nul del",
		"C1 \u009b31m":                          "C1 31m",
		"turned \u202earound\u202c":             "turned around",
		"\u200bhidden\ufeff":                    "hidden",
		"line\u2028separator":                   "lineseparator",
	} {
		room, p := remote(t)
		lines := room.Hear(t.Context())
		if err := p.B.Send(&chat.Say{Line: said}); err != nil {
			t.Fatal(err)
		}
		if got := <-lines; got.Text != want {
			t.Errorf("%q is printed as %q, want %q", said, got.Text, want)
		}
	}
}

// TestSlowHearer: a slow subscriber doesn't block the room, and its missed lines are counted.
func TestSlowHearer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := rooms(t)
		lines := b.Hear(t.Context())
		for i := range 100 {
			if n, err := a.Say(fmt.Sprint(i)); n != 1 || err != nil {
				t.Fatalf("Say: %d, %v", n, err)
			}
		}
		synctest.Wait()
		if kept := len(lines); kept == 0 || uint64(kept)+b.Missed() != 100 {
			t.Errorf("%d kept and %d missed of 100", kept, b.Missed())
		}
		if got := <-lines; got.Text != "0" {
			t.Errorf("the first line is %q", got.Text)
		}
	})
}

func TestHearingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _ := rooms(t)
		ctx, stop := context.WithCancel(t.Context())
		lines := b.Hear(ctx)
		stop()
		if _, open := <-lines; open {
			t.Error("a line arrived after the end")
		}
		if _, err := a.Say("without a subscriber"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if b.Missed() != 0 {
			t.Errorf("%d missed without a subscriber", b.Missed())
		}
	})
}

func TestAwaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := chat.NewRoom().Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
