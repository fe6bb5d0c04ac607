package stun

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"testing"
)

// stream is a connection to a node that answers a request with what respond returns.
type stream struct {
	respond func(request []byte) []byte
	unread  bytes.Buffer
}

func (s *stream) Write(b []byte) (int, error) {
	s.unread.Write(s.respond(b))
	return len(b), nil
}

func (s *stream) Read(b []byte) (int, error) { return s.unread.Read(b) }

func TestAsk(t *testing.T) {
	at := netip.MustParseAddrPort("[2a00::1]:9")
	good := func(request []byte) []byte {
		b, _ := AnswerStream(request, at)
		return b
	}
	for _, tt := range []struct {
		name    string
		respond func([]byte) []byte
		err     error // nil: at is seen
		unread  int   // bytes that are left
	}{
		{"a response", good, nil, 0},
		{"a response, and more behind it", func(b []byte) []byte { return append(good(b), 1, 2, 3) }, nil, 3},
		{"nothing", func([]byte) []byte { return nil }, io.EOF, 0},
		{"half of a header", func(b []byte) []byte { return good(b)[:10] }, io.ErrUnexpectedEOF, 0},
		{"half of a body", func(b []byte) []byte { return good(b)[:30] }, io.ErrUnexpectedEOF, 0},
		{"the response to another request", func([]byte) []byte { return good(Request(someID)) }, errOtherRequest, 0},
		{"the request", func(b []byte) []byte { return b }, errType, 0},
		{"a long response", func(b []byte) []byte { return append(changed(good(b), 3, 80), make([]byte, 52)...) }, errLength, 76},
		{"not STUN", func([]byte) []byte { return make([]byte, HeaderSize) }, errNotSTUN, 0},
	} {
		s := &stream{respond: tt.respond}
		seen, err := Ask(s)
		if !errors.Is(err, tt.err) || tt.err == nil && seen != at || tt.err != nil && seen.IsValid() {
			t.Errorf("%s: %v, %v; want error %v", tt.name, seen, err, tt.err)
		}
		if s.unread.Len() != tt.unread {
			t.Errorf("%s: %d bytes are left, want %d", tt.name, s.unread.Len(), tt.unread)
		}
	}
	broken := errors.New("broken")
	if _, err := Ask(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("a write that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (f failing) Read([]byte) (int, error)  { return 0, f.err }

func TestBodySize(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header []byte
		want   int
		ok     bool
	}{
		{"no body", Request(someID), 0, true},
		{"an IPv6 endpoint", changed(Request(someID), 3, 24), 24, true},
		{"the longest", changed(Request(someID), 3, 76), 76, true},
		{"too long", changed(Request(someID), 3, 77), 77, false},
		{"far too long", changed(Request(someID), 2, 0xff), 0xff00, false},
		{"half of a header", Request(someID)[:10], 0, false},
		{"more than a header", PaddedRequest(someID), 0, false},
	} {
		if n, ok := BodySize(tt.header); n != tt.want || ok != tt.ok {
			t.Errorf("%s: %d, %v; want %d, %v", tt.name, n, ok, tt.want, tt.ok)
		}
	}
}
