package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/node"
)

// manyBans writes a file with so many bans that writing it again takes a while.
func manyBans(t *testing.T, dir string) {
	t.Helper()
	var list []node.Ban
	for i := range 4000 {
		list = append(list, node.Ban{Target: node.BanID(enode.ID{byte(i >> 8), byte(i), 9}), Since: time.Now(), Until: time.Now().Add(time.Hour), Reason: "test"})
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bans.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestBansOutliveKill kills the process while many bans are being made. Those that it has
// acknowledged are there at the next start, and no temporary file is left.
func TestBansOutliveKill(t *testing.T) {
	dir := t.TempDir()
	manyBans(t, dir)
	acknowledged := map[string]bool{}
	for round := range 3 {
		p := start(t, "--datadir", dir)
		var (
			mu      sync.Mutex
			callers sync.WaitGroup
			first   = make(chan struct{}, 30)
		)
		for i := range cap(first) {
			target := fmt.Sprintf("192.0.%d.%d", round, i)
			callers.Go(func() {
				c, err := rpc.Dial(filepath.Join(dir, ipcFile))
				if err != nil {
					return // killed, or the node had no place
				}
				defer c.Close()
				if c.Call(new(bool), "admin_ban", target) == nil {
					mu.Lock()
					acknowledged[target] = true
					mu.Unlock()
					first <- struct{}{}
				}
			})
		}
		<-first
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // it was killed
		callers.Wait()
	}
	start(t, "--datadir", dir)
	bans := at(t, dir, "bans")
	for target := range acknowledged {
		if !strings.Contains(bans, target+" ") {
			t.Errorf("the ban on %s was acknowledged, and is lost", target)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*troupe-tmp")); len(left) > 0 || err != nil {
		t.Errorf("left in the data directory: %q, %v", left, err)
	}
}

// TestOneNodeInADirectory: without an IPC socket, too. A killed node keeps no other out.
func TestOneNodeInADirectory(t *testing.T) {
	dir := t.TempDir()
	args := []string{"run", "--port", "0", "--nodiscover", "--nat", "none", "--ipcdisable", "--datadir", dir}
	p := start(t, args[1:]...)
	code, out, errs := shell(nil, args...)
	if code != exitFailed || out != "" || !strings.Contains(errs, "process "+strconv.Itoa(p.Process.Pid)+", since ") {
		t.Errorf("second node: exit %d, %q, %s; want the process of the first", code, out, errs)
	}
	p.end(syscall.SIGKILL)
	start(t, args[1:]...)
}

// foreign makes a process that can read a directory and not write it: root runs it as another
// user.
func (p *process) foreign(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed
	if os.Getuid() != 0 {
		return
	}
	self, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { self.Close() })
	p.ExtraFiles = []*os.File{self} // the other user can't reach the path of this program
	p.Path = "/proc/self/fd/3"
	p.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// readOnly returns a directory for [process.foreign] to read, with a key if withKey is true.
func readOnly(t *testing.T, withKey bool) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "troupe") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if withKey {
		key := filepath.Join(dir, "nodekey")
		if _, err := node.CreateKey(key); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(key, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestReadOnlyDirectory: the node runs, and warns once of each thing that it can't keep.
func TestReadOnlyDirectory(t *testing.T) {
	dir := readOnly(t, true)
	p := prepare(t, nil, "--datadir", dir, "--nodiscover=false", "--discovery.v4=false", "--bootnodes", "", "--discovery.dns", "",
		"--http", "--http.port", "0", "--http.api", "admin")
	p.foreign(t, dir)
	p.launch()
	p.awaitReady()
	p.awaitLog("NAT status not kept")
	var banned bool
	c, err := rpc.Dial("http://" + p.find(`serving HTTP.* addr=(\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Call(&banned, "admin_ban", "192.0.2.1"); err == nil || !strings.Contains(err.Error(), "is in force") {
		t.Errorf("ban: %v, want an error that says that it is in force", err)
	}
	var bans []node.Ban
	if err := c.Call(&bans, "admin_bans"); err != nil || len(bans) != 1 {
		t.Errorf("bans %+v, %v", bans, err)
	}
	if code, _ := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit %d", code)
	}
	log := p.log()
	for _, want := range []string{
		"data directory not locked", "bans not kept", "node record not kept", "NAT status not kept", "node database kept in memory only", "IPC not served",
	} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q: %d times in the log, want once", want, strings.Count(log, want))
		}
	}
	if warnings := strings.Count(log, "WRN") + strings.Count(log, "WARN"); warnings != 6 || strings.Contains(log, "ERR") {
		t.Errorf("%d warnings, want 6; the log:\n%s", warnings, log)
	}
}

// TestNoKeyInAReadOnlyDirectory: the node does not start, and says why.
func TestNoKeyInAReadOnlyDirectory(t *testing.T) {
	dir := readOnly(t, false)
	p := prepare(t, nil, "--datadir", dir)
	p.foreign(t, dir)
	p.launch()
	_ = p.Wait() // the exit code says it
	if p.ProcessState.ExitCode() != exitFailed || !strings.Contains(p.log(), "create node key: "+filepath.Join(dir, "nodekey")+": permission denied") {
		t.Errorf("exit %d; the log:\n%s", p.ProcessState.ExitCode(), p.log())
	}
}
