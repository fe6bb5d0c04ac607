package discovery

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/discover"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/troupe-p2p/troupe/actors/supervise"
	"github.com/troupe-p2p/troupe/node/nodetest/fixture"
)

const talk = "talk/1"

// at returns the remote as a node at another endpoint than the one in its record.
func (r *remote) at(where string) *enode.Node {
	ap := netip.MustParseAddrPort(where)
	return enode.NewV4(r.node().Pubkey(), ap.Addr().AsSlice(), 0, int(ap.Port()))
}

// onLine runs f with a line to a v5 that is up and has an empty table.
func onLine(t *testing.T, edit func(*stage, *Config), f func(*stage, *Line)) {
	t.Helper()
	line := NewLine()
	perform(t, func(s *stage, c *Config) {
		c.V5, c.Line = true, line
		edit(s, c)
	}, func(s *stage) {
		time.Sleep(time.Second)
		f(s, line)
	})
}

// TestLineTalks: both sides talk, each to an endpoint that differs from the other's record. The
// session, including its handshake, uses the endpoint that the requester names.
func TestLineTalks(t *testing.T) {
	const seenAs = "8.8.4.4:4000"
	type call struct {
		from    enode.ID
		at      netip.AddrPort
		request string
	}
	calls := make(chan call, 8)
	answerTo := func(self string) TalkHandler {
		return func(from *enode.Node, at netip.AddrPort, request []byte) []byte {
			calls <- call{from.ID(), at, string(request)}
			return append([]byte(self+" heard "), request...)
		}
	}
	var r *remote
	onLine(t, func(s *stage, c *Config) {
		r = s.addV5At("8.8.8.8:30303", "8.8.8.9:5000")
		theirs := answerTo("they")
		r.v5.RegisterTalkHandler(talk, func(from *enode.Node, at *net.UDPAddr, request []byte) []byte {
			return theirs(from, at.AddrPort(), request)
		})
		c.Conns = []discover.UDPConn{s.net.listen(seenAs)}
		c.Talk = map[string]TalkHandler{talk: answerTo("we")}
	}, func(s *stage, line *Line) {
		to := r.at("8.8.8.9:5000")
		answer, err := line.Talk(to, talk, []byte("there"))
		if got := <-calls; err != nil || string(answer) != "they heard there" ||
			got != (call{s.local.ID(), netip.MustParseAddrPort(seenAs), "there"}) {
			t.Errorf("the remote received %v and answered %q, %v", got, answer, err)
		}
		if answer, err := line.Talk(to, "other/1", []byte("there")); err != nil || len(answer) != 0 {
			t.Errorf("another protocol: %q, %v; want an empty answer", answer, err)
		}
		us := &remote{local: s.local}
		answer, err = r.v5.TalkRequest(us.at(seenAs), talk, []byte("back"))
		if got := <-calls; err != nil || string(answer) != "we heard back" ||
			got != (call{r.local.ID(), netip.MustParseAddrPort("8.8.8.9:5000"), "back"}) {
			t.Errorf("the node received %v and answered %q, %v", got, answer, err)
		}
		if observed, err := line.Ping(to); err != nil || observed != netip.MustParseAddrPort(seenAs) {
			t.Errorf("observed endpoint %v, %v; want %s", observed, err, seenAs)
		}
		if record, err := line.Record(to); err != nil || !bytes.Equal(record.Record().Signature(), r.node().Record().Signature()) {
			t.Errorf("record %v, %v; want %v", record, err, r.node())
		}
	})
}

// TestLineIsCalledFirst: the handshake also uses the endpoint that the requester names if the other
// side begins.
func TestLineIsCalledFirst(t *testing.T) {
	const seenAs = "8.8.4.4:4000"
	var r *remote
	onLine(t, func(s *stage, c *Config) {
		r = s.addV5("8.8.8.8:30303")
		c.Conns = []discover.UDPConn{s.net.listen(seenAs)}
		c.Talk = map[string]TalkHandler{talk: func(*enode.Node, netip.AddrPort, []byte) []byte { return []byte("yes") }}
	}, func(s *stage, line *Line) {
		us := &remote{local: s.local}
		if answer, err := r.v5.TalkRequest(us.at(seenAs), talk, nil); err != nil || string(answer) != "yes" {
			t.Errorf("answer %q, %v", answer, err)
		}
		if n := line.Known(r.local.ID()); n == nil || n.Seq() != r.node().Seq() {
			t.Errorf("Known after the handshake: %v, want %v", n, r.node())
		}
	})
}

// TestLineLearns: a node added by Learn is returned to a third node that asks, and a newer record
// replaces the old one.
func TestLineLearns(t *testing.T) {
	var third *remote
	onLine(t, func(s *stage, c *Config) {
		third = s.addV5("8.8.8.8:30303")
	}, func(s *stage, line *Line) {
		r := s.addV5("9.9.9.9:30303")
		if line.Known(r.local.ID()) != nil {
			t.Fatal("the node is known before Learn")
		}
		line.Learn(r.at("9.9.9.9:30303"))
		if line.Known(r.local.ID()) != nil {
			t.Error("Learn accepted a node without a signed record")
		}
		line.Learn(r.node())
		found, err := third.v5.Findnode(s.local.Node(), []uint{uint(enode.LogDist(s.local.ID(), r.local.ID()))})
		if err != nil || !slices.ContainsFunc(found, func(n *enode.Node) bool { return n.ID() == r.local.ID() }) {
			t.Errorf("a third node finds %v, %v; want %v", found, err, r.node())
		}
		if all := line.Neighbours(); len(all) == 0 || all[0].ID() != r.local.ID() {
			t.Errorf("neighbours %v, want the live node %v first", all, r.node())
		}
		record := r.node().Record() // a copy
		record.Set(enr.UDP(30304))
		if err := enode.SignV4(record, r.key); err != nil {
			t.Fatal(err)
		}
		renewed, err := enode.New(enode.ValidSchemes, record)
		if err != nil {
			t.Fatal(err)
		}
		line.Learn(renewed)
		if n := line.Known(r.local.ID()); n == nil || n.UDP() != 30304 {
			t.Errorf("Known returns %v, want the new record %v", n, renewed)
		}
	})
}

// TestLineRefuses: a request that can't succeed fails at once, and nothing is sent.
func TestLineRefuses(t *testing.T) {
	var r, outside *remote
	onLine(t, func(s *stage, c *Config) {
		r, outside = s.addV5("8.8.8.8:30303"), s.addV5("9.9.9.9:30303")
		c.NetRestrict = []netip.Prefix{netip.MustParsePrefix("8.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	}, func(s *stage, line *Line) {
		for name, to := range map[string]*enode.Node{
			"outside of NetRestrict": outside.node(),
			"no endpoint":            enode.NewV4(r.node().Pubkey(), nil, 0, 0),
			"no port":                enode.NewV4(r.node().Pubkey(), net.IPv4(8, 8, 8, 8), 30303, 0),
			"no socket":              r.at("[fd00::1]:30303"),
		} {
			start := time.Now()
			_, talkErr := line.Talk(to, talk, nil)
			_, pingErr := line.Ping(to)
			_, recordErr := line.Record(to)
			line.Learn(to)
			if talkErr == nil || pingErr == nil || recordErr == nil || time.Since(start) > 0 {
				t.Errorf("%s: %v, %v, %v after %v", name, talkErr, pingErr, recordErr, time.Since(start))
			}
		}
		if n := line.Known(outside.local.ID()); n != nil {
			t.Errorf("Learn accepted %v", n)
		}
		if err := line.Send(netip.MustParseAddrPort("9.9.9.9:1"), []byte("x")); err == nil || !strings.Contains(err.Error(), "networks") {
			t.Errorf("sent outside of NetRestrict: %v", err)
		}
		to := s.net.listen("8.8.8.7:7")
		if err := line.Send(to.at, []byte("opener")); err != nil {
			t.Error(err)
		}
		if p := <-to.in; string(p.data) != "opener" || p.from != netip.MustParseAddrPort(stageAddr) {
			t.Errorf("sent %q from %v", p.data, p.from)
		}
	})
}

// TestLineWhileDown: before, between and after the incarnations the methods fail at once; a call
// that is running when the session ends fails, too, and the next session serves the same line.
func TestLineWhileDown(t *testing.T) {
	var (
		line = NewLine()
		r    *remote
	)
	down := func(when string) {
		t.Helper()
		_, talkErr := line.Talk(r.node(), talk, nil)
		_, pingErr := line.Ping(r.node())
		_, recordErr := line.Record(r.node())
		line.Learn(r.node())
		if !errors.Is(talkErr, ErrDown) || !errors.Is(pingErr, ErrDown) || !errors.Is(recordErr, ErrDown) ||
			line.Neighbours() != nil || line.Known(r.local.ID()) != nil {
			t.Errorf("%s: %v, %v, %v", when, talkErr, pingErr, recordErr)
		}
	}
	perform(t, func(s *stage, c *Config) {
		r = s.addV5("8.8.8.8:30303")
		down("before")
		if err := line.Send(netip.MustParseAddrPort("8.8.8.8:1"), nil); !errors.Is(err, ErrDown) {
			t.Errorf("sent before: %v", err)
		}
		c.V5, c.Line = true, line
	}, func(s *stage) {
		time.Sleep(time.Second)
		absent := enode.NewV4(&fixture.Key(t).PublicKey, net.IPv4(8, 8, 8, 7), 0, 1)
		ended := make(chan error)
		go func() { _, err := line.Talk(absent, talk, nil); ended <- err }()
		time.Sleep(100 * time.Millisecond)
		start := time.Now()
		s.root.Send(s.pid, &supervise.Inject{})
		if err := <-ended; err == nil {
			t.Error("a call to a nonexistent node is answered")
		} else if took := time.Since(start); took > time.Second {
			t.Errorf("the call ended %v after the crash: %v", took, err)
		}
		time.Sleep(5 * time.Second)
		if _, err := line.Ping(r.node()); err != nil || s.restarts() != 1 {
			t.Errorf("after %d restarts: %v", s.restarts(), err)
		}
		go func() { _, err := line.Talk(absent, talk, nil); ended <- err }()
		time.Sleep(100 * time.Millisecond)
		s.root.Send(s.pid, &Leave{})
		if err := <-ended; !errors.Is(err, ErrDown) {
			t.Errorf("a call during Leave: %v, want ErrDown", err)
		}
		<-s.stopped
		down("after")
		if err := line.Send(netip.MustParseAddrPort("8.8.8.8:1"), nil); !errors.Is(err, ErrDown) {
			t.Errorf("sent after: %v", err)
		}
	})
}
