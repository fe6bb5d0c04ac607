package datadir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestKeyIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	first, err := Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(KeyFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("key file has mode %o, want 600", mode)
	}
	second, err := Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Equal(second) {
		t.Error("the second start has another key")
	}
	if _, err := CreateKey(KeyFile(dir)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwriting: %v, want %v", err, fs.ErrExist)
	}
	theirs, err := crypto.LoadECDSA(KeyFile(dir))
	if err != nil || !theirs.Equal(first) {
		t.Errorf("go-ethereum reads another key: %v", err)
	}
}

func TestBrokenKeyIsAnError(t *testing.T) {
	for _, content := range []string{"", "00", "zz", string(make([]byte, 64))} {
		dir := t.TempDir()
		if err := os.WriteFile(KeyFile(dir), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Key(dir); err == nil {
			t.Errorf("%q was accepted as a key", content)
		}
		if now, err := os.ReadFile(KeyFile(dir)); err != nil || string(now) != content {
			t.Errorf("%q was overwritten with %q (%v)", content, now, err)
		}
	}
}
