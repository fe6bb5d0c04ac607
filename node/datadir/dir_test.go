package datadir

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := Open(dir, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	first := open(t, dir)
	_, err := Open(dir, discard())
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())+", since 2") {
		t.Errorf("a second Open: %v, want %v and the process", err, ErrInUse)
	}
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	open(t, dir) // another takes it
}

// A killed process leaves a lock file without a lock.
func TestStaleLock(t *testing.T) {
	for name, text := range map[string]string{"of a process": `{"pid":1,"since":"2020-01-01T00:00:00Z"}`, "no JSON": "x", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, lockFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			open(t, dir)
			if _, err := Open(dir, discard()); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
				t.Errorf("a second Open: %v", err)
			}
		})
	}
}

func TestTemporaryFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	temp, err := writeTemp(filepath.Join(dir, "bans.json"), []byte("half"), 0o600) // and the process is killed
	if err != nil {
		t.Fatal(err)
	}
	if !isTemp(filepath.Base(temp)) {
		t.Errorf("%s is not known as a temporary file", temp)
	}
	users := []string{
		"bans.json", "bans.json.1234567890", "bans.json.bak", ".bans.json.swp", ".bans.json.troupe-tmp", ".1.troupe-tmp", "enr.1.troupe-tmp",
		".enr.x.troupe-tmp", ".enr..troupe-tmp", "troupe-tmp", ".troupe-tmp", ".enr.1.troupe-tmp.bak",
	}
	for _, name := range users {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".enr.22.troupe-tmp", ".nat.json.1.troupe-tmp", ".nodekey.9.troupe-tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder := ".folder.1.troupe-tmp"
	if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	want := append(users, folder, lockFile)
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("left in the directory: %q, want %q", got, want)
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A file that can't be written is logged once, until it can.
func TestFailuresAreLoggedOnce(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	f := File{Path: filepath.Join(dir, "bans.json"), Content: "bans", Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if err := f.Write([]byte("first")); err != nil || log.Len() != 0 {
		t.Fatalf("%v; log %s", err, &log)
	}
	block(t, f.Path)
	for range 3 {
		err := f.Write([]byte("second"))
		if err == nil || !strings.HasPrefix(err.Error(), "write "+f.Path+": ") || strings.Contains(err.Error(), tempSuffix) {
			t.Errorf("writing over a directory: %v", err)
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "WARN") || !strings.Contains(got, "bans not kept") {
		t.Errorf("log of three failures:\n%s", got)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left in the directory: %q", got)
	}
	log.Reset()
	if err := os.RemoveAll(f.Path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Write([]byte("third")); err != nil {
			t.Error(err)
		}
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "bans kept again") {
		t.Errorf("log of the recovery:\n%s", got)
	}
}

// block makes a path that can't be replaced by a file, also by root.
func block(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "full"), 0o700)); err != nil {
		t.Fatal(err)
	}
}

func TestTryFindsADirectoryThatIsGone(t *testing.T) {
	var log bytes.Buffer
	f := File{Path: filepath.Join(t.TempDir(), "gone", "bans.json"), Content: "bans", Logger: slog.New(slog.NewTextHandler(&log, nil))}
	f.Try()
	if !strings.Contains(log.String(), "bans not kept") {
		t.Errorf("log: %s", &log)
	}
}
