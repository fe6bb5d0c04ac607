//go:build unix

package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOnlyRegularFilesAreRead: a named pipe would block the start, and no signal would end it.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	pipe, link, regular := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "regular")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(regular, link), os.WriteFile(regular, []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, dir, "/dev/zero"} {
		if _, err := Read(path); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v, want %v", path, err, ErrNotRegular)
		}
		if _, err := ReadKey(path); !errors.Is(err, ErrNotRegular) {
			t.Errorf("a key in %s: %v, want %v", path, err, ErrNotRegular)
		}
	}
	for _, path := range []string{regular, link} {
		if text, err := Read(path); string(text) != "text" || err != nil {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}
