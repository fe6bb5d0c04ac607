package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// testFolder returns a folder with these files.
func testFolder(t *testing.T, want string, files map[string][]byte) *folder {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := openFolder(dir, want)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.root.Close() })
	return f
}

func random(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// clumsy panics at every 13th chunk, which is then lost.
type clumsy struct {
	actor.Actor
	chunks *atomic.Int32
}

func (c *clumsy) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*Chunk); ok && c.chunks.Add(1)%13 == 0 {
		panic("dropped a chunk")
	}
	c.Actor.Receive(ctx)
}

// TestRestarts: the transfer completes although both ends crash and some crashes lose a message.
// Lost pieces are requested again.
func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := random(40*chunkSize + 1)
		from := testFolder(t, "", map[string][]byte{"file": content})
		to := testFolder(t, "file", nil)
		receiver := to.spec()
		produce, chunks := receiver.New, new(atomic.Int32)
		receiver.New = func() actor.Actor { return &clumsy{produce(), chunks} }
		p := protocoltest.NewPair(t, from.spec(), receiver)
		p.SetLatency(20 * time.Millisecond)
		for range 3 {
			time.Sleep(50 * time.Millisecond) // on the clock of the bubble: a bit more than one window
			p.A.Crash()
			p.B.Crash()
			if len(to.done) > 0 {
				t.Fatal("the transfer ended before the last crash")
			}
		}
		if err := <-to.done; err != nil {
			t.Fatal(err)
		}
		if got, err := to.root.ReadFile("file"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %d bytes, want the %d bytes of the file; %v", len(got), len(content), err)
		}
		if p.A.Restarts() != 3 || p.B.Restarts() <= 3 || p.B.Cause() != nil {
			t.Errorf("%d and %d restarts, the link's end: %v", p.A.Restarts(), p.B.Restarts(), p.B.Cause())
		}
	})
}

// TestNewLink: a transfer continues where an earlier link stopped. The test plays the sender.
func TestNewLink(t *testing.T) {
	to := testFolder(t, "file", nil)
	sender := protocoltest.ByHand((&folder{}).spec())
	first := protocoltest.NewPair(t, sender, to.spec())
	q := protocoltest.Next[Fetch](first.A)
	if err := first.A.Send(&Chunk{ID: q.ID, Total: chunkSize + 3, Data: random(chunkSize)}); err != nil {
		t.Fatal(err)
	}
	protocoltest.Next[Fetch](first.A) // the receiver has stored the chunk
	first.Cut()
	first.B.Wait()

	second := protocoltest.NewPair(t, sender, to.spec())
	if q = protocoltest.Next[Fetch](second.A); q.Offset != chunkSize {
		t.Errorf("the transfer continues at %d, want %d", q.Offset, chunkSize)
	}
	if err := second.A.Send(&Chunk{ID: q.ID, Total: chunkSize + 3, Data: []byte("end")}); err != nil {
		t.Fatal(err)
	}
	if err := <-to.done; err != nil {
		t.Error(err)
	}
	if got, err := to.root.ReadFile("file"); err != nil || !bytes.Equal(got, append(random(chunkSize), "end"...)) {
		t.Errorf("%d bytes arrived, %v", len(got), err)
	}
}

// TestFailures: answers that end the transfer and the link with the right reason. The test plays
// the sender.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer Chunk
		reason protocols.DiscReason
	}{
		"no such file":  {Chunk{Err: "not available"}, protocols.DiscRequested},
		"shorter now":   {Chunk{Total: 2}, protocols.DiscProtocolError},
		"too much":      {Chunk{Total: 5, Data: []byte("much")}, protocols.DiscProtocolError},
		"too little":    {Chunk{Total: 5}, protocols.DiscProtocolError},
		"no such piece": {Chunk{Total: 1 << 63, Data: []byte("!")}, protocols.DiscProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			to := testFolder(t, "file", map[string][]byte{"file.part": []byte("abc")})
			p := protocoltest.NewPair(t, protocoltest.ByHand((&folder{}).spec()), to.spec())
			q := protocoltest.Next[Fetch](p.A)
			if q.Offset != 3 {
				t.Errorf("the transfer begins at %d, want 3", q.Offset)
			}
			c.answer.ID = q.ID
			if err := p.A.Send(&c.answer); err != nil {
				t.Fatal(err)
			}
			if cause := p.B.Wait(); cause.Side != protocols.Local || cause.Reason != c.reason {
				t.Errorf("the link ended: %v", cause)
			}
			if err := <-to.done; err == nil {
				t.Error("the transfer ended without an error")
			}
			if got, err := to.root.ReadFile("file.part"); err != nil || string(got) != "abc" {
				t.Errorf("the part file has %q, %v", got, err)
			}
		})
	}
}

// TestBackpressure: a remote that requests sixteen times the size of the outbox and does not read
// stalls itself, and gets all answers when it reads again. The test plays the remote, whose Spec
// accepts answers without a pending request.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const piece, asked = 8 << 10, 512
		from := testFolder(t, "", map[string][]byte{"file": random(chunkSize + piece)})
		sender := from.spec()
		sender.Limits = protocols.Limits{Outbox: asked * piece / 16}
		greedy := protocoltest.ByHand(from.spec())
		greedy.Versions[0].Messages[1] = protocols.Type[Chunk]()
		p := protocoltest.NewPair(t, sender, greedy, protocoltest.Buffer(4<<10))
		p.B.Pause()
		for id := range uint64(asked) {
			if err := p.B.Send(&Fetch{ID: id, Name: "file", Offset: chunkSize}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // until the sender can send no more
		p.B.Resume()
		for id := range uint64(asked) {
			if got := protocoltest.Next[Chunk](p.B); got.ID != id || len(got.Data) != piece {
				t.Fatalf("answer %d has ID %d and %d bytes, %s", id, got.ID, len(got.Data), got.Err)
			}
		}
	})
}

// TestNothingElseIsShared: a request for a name outside the directory gets no data.
func TestNothingElseIsShared(t *testing.T) {
	from := testFolder(t, "", map[string][]byte{"file": []byte("here")})
	if err := os.WriteFile(filepath.Join(from.root.Name(), "..", "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := protocoltest.NewPair(t, from.spec(), protocoltest.ByHand(from.spec()))
	for name, want := range map[string]string{"file": "here", "../secret": "", "/etc/passwd": "", ".": "", "": "", "none": ""} {
		got, err := protocols.Call[Chunk](t.Context(), p.B.Link, &Fetch{Name: name})
		if err != nil || string(got.Data) != want || (got.Err == "") != (want != "") {
			t.Errorf("%q: %q, %q, %v", name, got.Data, got.Err, err)
		}
	}
	if got, err := protocols.Call[Chunk](t.Context(), p.B.Link, &Fetch{Name: "file", Offset: 1 << 63}); err != nil || got.Err == "" {
		t.Errorf("offset beyond the end: %+v, %v", got, err)
	}
}
