package node

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/crypto"
)

// The files of a data directory.
const (
	keyFile    = "nodekey" // as other clients have it: 64 hex digits
	recordFile = "enr"     // the node's signed record in its text form
)

// KeyFile is where a node with this data directory keeps its private key.
func KeyFile(dataDir string) string { return filepath.Join(dataDir, keyFile) }

// ReadKey reads a private key of 64 hex digits from a file.
func ReadKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := crypto.LoadECDSA(file)
	if err != nil {
		return nil, fmt.Errorf("node key %s: %w", file, err)
	}
	return key, nil
}

// FreshKey makes a private key that nobody keeps.
func FreshKey() (*ecdsa.PrivateKey, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	return key, nil
}

// CreateKey makes a private key and writes it to a new file that only its owner can
// read, in a directory that is made if need be. A file that exists is never overwritten:
// the error is fs.ErrExist.
func CreateKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := FreshKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	_, err = f.WriteString(hex.EncodeToString(crypto.FromECDSA(key)))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		// Half a key would keep the node from starting for good.
		return nil, fmt.Errorf("node key: %w", errors.Join(err, os.Remove(file)))
	}
	return key, nil
}

// keyOf reads the key of a data directory, and makes one if there is none.
func keyOf(dataDir string) (*ecdsa.PrivateKey, error) {
	file := KeyFile(dataDir)
	key, err := ReadKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		return CreateKey(file)
	}
	return key, err
}

// makeDataDir makes a data directory for its owner alone, if there is none and the key, which
// was given, lies elsewhere.
func makeDataDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// writeFile replaces a file as a whole, so that a reader or a crash never meets half.
func writeFile(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
