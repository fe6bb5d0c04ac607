//go:build natlab && linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node"
)

// These tests need root: they mount file systems.

// smallDisk mounts a disk of one megabyte, with a key for a node.
func smallDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if _, err := node.CreateKey(filepath.Join(dir, "nodekey")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fill leaves no room on a disk.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
}

// refusedBan makes a ban that the node can't keep.
func refusedBan(t *testing.T, dir, target string) {
	t.Helper()
	code, _, errs := shell(nil, "ban", target, "--datadir", dir)
	if code != exitRefused || !strings.Contains(errs, "no space left") || !strings.Contains(errs, "is in force until the node stops") {
		t.Errorf("ban on a full disk: exit %d, %s", code, errs)
	}
	awaitOutput(t, dir, target, "bans")
}

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	p := start(t, "--datadir", dir)
	at(t, dir, "ban", "192.0.2.1")
	fill(t, dir)
	refusedBan(t, dir, "192.0.2.2")
	if code, _, errs := shell(nil, "unban", "192.0.2.1", "--datadir", dir); code != exitRefused || !strings.Contains(errs, "is lifted until the node stops") {
		t.Errorf("unban on a full disk: exit %d, %s", code, errs)
	}
	empty(t, dir)
	at(t, dir, "ban", "192.0.2.3")
	p.end(syscall.SIGKILL)
	start(t, "--datadir", dir)
	if bans := at(t, dir, "bans"); strings.Contains(bans, "192.0.2.1 ") || !strings.Contains(bans, "192.0.2.2 ") || !strings.Contains(bans, "192.0.2.3 ") {
		t.Errorf("bans after the disk had room again:\n%s", bans)
	}
}

func TestStartOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	fill(t, dir)
	p := start(t, "--datadir", dir, "--nodiscover=false", "--discovery.v4=false", "--bootnodes", "", "--discovery.dns", "")
	refusedBan(t, dir, "192.0.2.2")
	p.awaitLog("bans not kept")
	p.awaitLog("node record not kept")
	p.awaitLog("NAT status not kept")
	empty(t, dir)
	at(t, dir, "ban", "192.0.2.3")
	p.awaitLog("node record kept again")
	if code, took := p.end(syscall.SIGTERM); code != exitOK || took > 5*time.Second {
		t.Errorf("exit %d after %v", code, took)
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	dir := smallDisk(t)
	p := start(t, "--datadir", dir)
	p.end(syscall.SIGTERM)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	p = start(t, "--datadir", dir)
	for _, want := range []string{"data directory not locked", "bans not kept", "IPC not served"} {
		p.awaitLog(want + ".*read-only file system")
	}
	if code, _ := p.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit %d", code)
	}
}
