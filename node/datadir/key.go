package datadir

import (
	"bytes"
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

// keyDigits is the number of hex digits of a key.
const keyDigits = 64

// KeyFile returns the path of the file in which a node with this data directory keeps its
// private key.
func KeyFile(dataDir string) string { return filepath.Join(dataDir, keyFile) }

// ReadKey reads a private key, as 64 hex digits and at most line breaks after them, from a file.
func ReadKey(file string) (*ecdsa.PrivateKey, error) {
	text, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("read node key: %w", err)
	}
	digits := bytes.TrimRight(text, "\r\n")
	if len(digits) != keyDigits {
		return nil, fmt.Errorf("read node key: %s has %d characters, want %d hex digits", file, len(digits), keyDigits)
	}
	key, err := crypto.HexToECDSA(string(digits))
	if err != nil {
		return nil, fmt.Errorf("read node key: %s: %w", file, err)
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
	if err := create(file, []byte(hex.EncodeToString(crypto.FromECDSA(key)))); err != nil {
		return nil, fmt.Errorf("create node key: %s: %w", file, cause(err))
	}
	return key, nil
}

// create makes a file that is complete from its first moment: with a part of a key in the file,
// the node could never start. If there is a file, the error is fs.ErrExist.
func create(file string, data []byte) error {
	temp, err := writeTemp(file, data, 0o600)
	if err != nil {
		return err
	}
	err = os.Link(temp, file)
	if _, there := os.Lstat(file); err != nil && errors.Is(there, fs.ErrNotExist) {
		renamed := os.Rename(temp, file) // the file system has no links
		if renamed == nil {
			return syncDir(filepath.Dir(file))
		}
		err = errors.Join(err, renamed)
	}
	if err := errors.Join(err, os.Remove(temp)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
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
