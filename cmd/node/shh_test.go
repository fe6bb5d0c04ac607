package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/shh"
)

// whisper runs a subcommand of shh with p as the relaying node.
func whisper(p *process, command, password, topic string, more ...string) (code int, stdout, stderr string) {
	args := append([]string{"shh", command, "--peer", p.enode, "--password", password, "--topic", topic}, more...)
	return shell(strings.NewReader(""), args...)
}

// TestWhisperCommands: a listener with the topic and the password reads a message, whether it
// starts before or after the message is sent.
func TestWhisperCommands(t *testing.T) {
	p := start(t, "--protocols", "shh")
	heard := make(chan string)
	go func() {
		_, stdout, stderr := whisper(p, "listen", "secret", "0xcafe0007", "--count", "2")
		heard <- stdout + stderr
	}()
	if code, _, stderr := whisper(p, "send", "other", "cafe0007", "not for you"); code != exitOK {
		t.Fatalf("send: %d, %s", code, stderr)
	}
	for _, text := range []string{"hello\x1b[2J there", "good bye"} {
		code, stdout, stderr := whisper(p, "send", "secret", "cafe0007", "--ttl", "600", text)
		if code != exitOK || len(stdout) != len("0x\n")+64 {
			t.Fatalf("send: %d, %q, %s", code, stdout, stderr)
		}
	}
	got := <-heard
	if !strings.Contains(got, "  hello[2J there\n") || !strings.Contains(got, "  good bye\n") || strings.Contains(got, "not for you") || !strings.Contains(got, "connected to") {
		t.Errorf("heard %q", got)
	}
	code, stdout, stderr := whisper(p, "listen", "secret", "cafe0007", "--count", "1", "--json")
	var m shh.Message
	if err := json.Unmarshal([]byte(stdout), &m); code != exitOK || err != nil || m.TTL != 600 || m.Topic.String() != "0xcafe0007" {
		t.Errorf("listen later: %d, %q, %s", code, stdout, stderr)
	}
}

func TestWhisperUsage(t *testing.T) {
	const enode = "enode://d860a01f9722d78051619d1e2351aba3f43f943f6f00718d1b9baa4101932a1f5011f16bb2b1bb35db20d6fe28fa0bf09636d26a87d31de9ec6203eeedb1f666@127.0.0.1:1"
	for name, args := range map[string][]string{
		"no peer":     {"send", "--password", "p", "--topic", "01020304", "text"},
		"no topic":    {"send", "--password", "p", "--peer", enode, "text"},
		"short topic": {"send", "--password", "p", "--peer", enode, "--topic", "0102", "text"},
		"no password": {"send", "--topic", "01020304", "--peer", enode, "text"},
		"no text":     {"send", "--password", "p", "--topic", "01020304", "--peer", enode},
		"a text":      {"listen", "--password", "p", "--topic", "01020304", "--peer", enode, "text"},
	} {
		if code, _, stderr := shell(strings.NewReader(""), append([]string{"shh"}, args...)...); code != exitUsage {
			t.Errorf("%s: %d, %s", name, code, stderr)
		}
	}
	args := []string{"shh", "send", "--password", "p", "--topic", "01020304", "--peer", enode, "text"}
	if code, _, stderr := shell(strings.NewReader(""), args...); code != exitFailed {
		t.Errorf("no node at the address: %d, %s", code, stderr)
	}
}

// TestUnwantedWhisper: a node that does not ask for the topic gets no message, and the sender
// gets an error.
func TestUnwantedWhisper(t *testing.T) {
	other := shh.Topic{1, 2, 3, 4}.Bloom()
	w := shh.New(shh.Config{Bloom: &other})
	defer w.Close()
	key, err := node.FreshKey()
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.New(node.Config{
		Key: key, Specs: []protocols.Spec{w.Spec()}, Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := shell(strings.NewReader(""), "shh", "send", "--peer", n.Self().URLv4(), "--password", "p", "--topic", "cafe0007", "text")
	if code != exitFailed || !strings.Contains(stderr, "does not want messages of topic 0xcafe0007") {
		t.Errorf("send: %d, %s", code, stderr)
	}
	if err := n.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}
