package datadir

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

// keyFile is the name of the file with the private key. Name and format, 64 hex digits, are
// those of other clients.
const keyFile = "nodekey"

// KeyFile returns the path of the file in which a node with this data directory keeps its
// private key.
func KeyFile(dataDir string) string { return filepath.Join(dataDir, keyFile) }

// ReadKey reads a private key, as 64 hex digits, from a file.
func ReadKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := crypto.LoadECDSA(file)
	if err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	return key, nil
}

// FreshKey makes a private key and does not store it.
func FreshKey() (*ecdsa.PrivateKey, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	return key, nil
}

// CreateKey makes a private key and writes it to a new file that only its owner can
// read. It makes the file's directory if there is none. It never overwrites a file: the
// error is fs.ErrExist.
func CreateKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := FreshKey()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("create node key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create node key: %w", err)
	}
	_, err = f.WriteString(hex.EncodeToString(crypto.FromECDSA(key)))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		// With a part of a key in the file, the node could never start.
		return nil, fmt.Errorf("create node key: %w", errors.Join(err, os.Remove(file)))
	}
	return key, nil
}

// Key reads the private key of a data directory, and makes one if there is none.
func Key(dataDir string) (*ecdsa.PrivateKey, error) {
	file := KeyFile(dataDir)
	key, err := ReadKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		return CreateKey(file)
	}
	return key, err
}
