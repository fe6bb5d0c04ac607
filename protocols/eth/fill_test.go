package eth_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/actors/actortest"
	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/nodetest"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest/testchain"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// filling is a node that fills its directory from the servers of a world.
type filling struct {
	*world
	dir  string
	log  *nodetest.Log
	side *eth.Eth
	node *node.Node
}

// inFilling runs a test in a bubble with three servers whose head is some block.
func inFilling(t *testing.T, head uint64, f func(t *testing.T, w *filling)) {
	t.Helper()
	n, files := testChain(t)
	testchain.Blocks(t) // are read outside the bubble
	actortest.Bubble(t, func(t *testing.T) {
		w := &filling{world: newWorld(t, n, files), dir: t.TempDir()}
		for range 3 {
			w.serve(eth.Config{})
		}
		w.grow(head)
		f(t, w)
	})
}

// begin starts the node, with the servers for its peers.
func (w *filling) begin(edit ...func(*node.Config)) {
	w.t.Helper()
	w.log = new(nodetest.Log)
	w.side = eth.New(eth.Config{Chain: w.chain, History: []string{w.dir}, Fill: true})
	w.node = nodetest.Start(w.t, func(c *node.Config) {
		w.network.Attach(c, netip.MustParseAddrPort("10.1.0.1:30303"))
		c.Specs, c.Logger = []protocols.Spec{w.side.Spec()}, w.log.Logger()
		for _, n := range w.nodes {
			c.StaticNodes = append(c.StaticNodes, n.Self())
		}
		for _, f := range edit {
			f(c)
		}
	})
}

// write puts a file into the directory.
func (w *filling) write(name string, b []byte) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), b, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *filling) read(path string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// download puts a file with the first blocks into the directory, as a download does.
func (w *filling) download(count uint64) {
	w.t.Helper()
	if _, err := history.WriteEpoch(w.dir, history.NetworkName(0), w.files, history.Blocks{Count: count}, nil); err != nil {
		w.t.Fatal(err)
	}
}

// serves fails unless the node announces a range.
func (w *filling) serves(from, to uint64) {
	w.t.Helper()
	if r := w.side.View().Range(); r.Earliest != from || r.Latest != to || r.LatestHash != hashOf(w.t, w.files, to) {
		w.t.Errorf("the node announces %+v, want %d to %d\n%s", r, from, to, w.errors())
	}
}

// errors returns what the log has of errors and warnings.
func (w *filling) errors() string {
	var list []string
	for _, line := range w.log.Lines("") {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) {
			list = append(list, line)
		}
	}
	return strings.Join(list, "\n")
}

// written returns the files of the directory, which must be right.
func (w *filling) written() []history.FileReport {
	w.t.Helper()
	r, err := history.Verify(w.t.Context(), w.dir, nil)
	if err != nil || !r.Good() || r.Unfinished || !r.Checksums {
		w.t.Errorf("the files: %+v, %v", r, err)
	}
	return r.Files
}

// TestFill: whatever the files have at first, the node ends by serving the whole chain, and goes on as it grows. The
// file is rewritten rarely.
func TestFill(t *testing.T) {
	for name, begin := range map[string]func(w *filling, whole []byte){
		"the first 101 blocks": func(w *filling, _ []byte) { w.download(101) },
		"a gap between files": func(w *filling, whole []byte) {
			w.write("a.ere", ethtest.FirstOfEre(whole, 101))
			f, err := history.Open(exported)
			if err != nil {
				w.t.Fatal(err)
			}
			defer f.Close()
			total, err := f.TotalDifficulty(300)
			if err != nil {
				w.t.Fatal(err)
			}
			out, err := os.Create(filepath.Join(w.dir, "b.ere"))
			if err != nil {
				w.t.Fatal(err)
			}
			defer out.Close()
			if _, err := history.WriteEre(out, f, history.Blocks{First: 301, Count: 100, Before: total}); err != nil {
				w.t.Fatal(err)
			}
		},
		"no receipts": func(w *filling, _ []byte) {
			w.write("chain.rlp", ethtest.FirstOfChain(w.read(ethtest.Chain(w.t, "chain.rlp")), 300))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inFilling(t, 500, func(t *testing.T, w *filling) {
				begin(w, w.read(exported))
				w.begin()
				actortest.After(2 * time.Minute)
				w.serves(0, 500)
				for head := uint64(501); head <= 600; head++ {
					w.grow(head)
					actortest.After(14 * time.Second)
					if head%7 == 0 {
						w.serves(0, head)
					}
				}
				w.serves(0, 600)
				if n := len(w.log.Lines("history filled")); n != 3 {
					t.Errorf("filled %d times, want 3: at 500, 540 and 580", n)
				}
				if lines := w.log.Lines("left out"); len(lines) > 0 {
					t.Errorf("%q", lines)
				}
				files := w.written()
				if last := files[0].LastNumber(); last != 572 {
					t.Errorf("the first file ends with block %d: %+v", last, files)
				}
				if state := w.side.Spec().NodeInfo().(eth.NodeInfo).History; state.Files != len(files) || len(state.LeftOut) > 0 {
					t.Errorf("%+v, %d files", state, len(files))
				}
			})
		})
	}
}

// TestFillReorganised: files whose last blocks are of a branch that was left are replaced, as soon as the chain is longer. Until
// then the node has the blocks from its peers.
func TestFillReorganised(t *testing.T) {
	inFilling(t, 305, func(t *testing.T, w *filling) {
		stale := testchain.Branch(t, w.dir, 295, 301)
		w.begin()
		actortest.After(2 * time.Minute)
		w.serves(0, 305)
		if _, err := os.Stat(stale); err != nil {
			t.Error("replaced by a file that is shorter")
		}
		w.grow(310)
		actortest.After(2 * time.Minute)
		w.serves(0, 310)
		if files := w.written(); len(files) != 1 || files[0].LastNumber() != 302 {
			t.Errorf("%+v", files)
		}
		if len(w.log.Lines("left out")) > 0 {
			t.Error(w.errors())
		}
	})
}

// TestFillOutlives: crashes of the service twice a second, a peer that lies, one that leaves, and a stop of the node amid it.
func TestFillOutlives(t *testing.T) {
	inFilling(t, 500, func(t *testing.T, w *filling) {
		w.download(101)
		bodies := new(atomic.Int64)
		enough := make(chan struct{})
		for range 2 {
			w.serve(eth.Config{Source: counting{growing{w.files, w.head}, bodies, enough}})
		}
		w.serve(eth.Config{Source: lying{growing{w.files, w.head}}})
		w.grow(500)
		w.nodes = w.nodes[3:] // the others are peers of the second node alone
		chaos := func(c *node.Config) {
			c.Chaos = []node.Chaos{{Pattern: "*/service-eth", Interval: 500 * time.Millisecond}}
		}
		w.begin(chaos)
		<-enough
		w.network.Partition([]netip.Addr{netip.MustParseAddr("10.0.4.1")})
		if err := w.node.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err := history.List(w.dir); err != nil || !r.Unfinished || r.Files[0].LastNumber() != 100 {
			t.Fatalf("the stop was not amid it: %+v, %v", r, err)
		}
		before := bodies.Load()
		w.begin(chaos)
		actortest.After(3 * time.Minute)
		w.serves(0, 500)
		if files := w.written(); len(files) != 1 || files[0].LastNumber() != 492 {
			t.Errorf("%+v", files)
		}
		if again := bodies.Load() - before; again >= 400-101 {
			t.Errorf("%d bodies were read before the stop, and %d after it: it did not go on from there", before, again)
		}
	})
}

// counting counts the bodies that are read, and says when they are many.
type counting struct {
	growing
	bodies *atomic.Int64
	enough chan struct{}
}

func (c counting) Read(p chain.Part, n uint64) ([]byte, error) {
	if p == chain.Body && n < 400 && c.bodies.Add(1) == 100 {
		close(c.enough)
	}
	return c.growing.Read(p, n)
}

// lying has bodies of other blocks.
type lying struct{ growing }

func (l lying) Read(p chain.Part, n uint64) ([]byte, error) {
	if p == chain.Body && n > 0 {
		n--
	}
	return l.growing.Read(p, n)
}

// TestFillWaitsForTheDisk: a full disk is named, the node goes on, and what is missing is filled once there is room.
func TestFillWaitsForTheDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs a device that is full:", err)
	}
	inFilling(t, 500, func(t *testing.T, w *filling) {
		w.download(101)
		sums := filepath.Join(w.dir, history.JournalDir, "sums")
		if err := os.MkdirAll(filepath.Dir(sums), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/dev/full", sums); err != nil {
			t.Fatal(err)
		}
		w.begin()
		actortest.After(5 * time.Minute)
		w.serves(437, 500)
		lines := w.log.Lines("filling the history failed; it is tried again")
		if len(lines) != 3 || !strings.Contains(lines[0], "no space left on device") || !strings.Contains(lines[0], w.dir) {
			t.Errorf("the log: %q", lines)
		}
		if err := os.Remove(sums); err != nil {
			t.Fatal(err)
		}
		w.grow(501)
		actortest.After(5 * time.Minute)
		w.serves(0, 501)
	})
}

// TestFillNeedsFiles: a directory without history files is not filled, which would be all of the chain; the log says so. It
// is filled once another download has put the first there.
func TestFillNeedsFiles(t *testing.T) {
	inFilling(t, 500, func(t *testing.T, w *filling) {
		w.begin()
		actortest.After(5 * time.Minute)
		w.serves(437, 500)
		if n := len(w.log.Lines("nothing is filled")); n != 1 {
			t.Errorf("%d lines", n)
		}
		w.download(101)
		actortest.After(time.Minute)
		w.serves(0, 500)
	})
}
