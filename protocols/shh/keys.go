package shh

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrNoKey is the error for an unknown key ID.
var ErrNoKey = errors.New("no such key")

// keyStore holds the keys of a node's users by random IDs, in memory only. It is safe for
// concurrent use.
type keyStore struct {
	mu      sync.RWMutex
	pairs   map[string]*ecdsa.PrivateKey
	symKeys map[string][]byte
}

func newKeyStore() keyStore {
	return keyStore{pairs: map[string]*ecdsa.PrivateKey{}, symKeys: map[string][]byte{}}
}

// randomID returns an unguessable ID for a key or a filter.
func randomID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// NewKeyPair makes a key pair and returns its ID.
func (k *keyStore) NewKeyPair() (id string, err error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return "", fmt.Errorf("generate a key: %w", err)
	}
	return k.addPair(key), nil
}

// AddPrivateKey adds a private key of 32 bytes and returns its ID.
func (k *keyStore) AddPrivateKey(key hexutil.Bytes) (id string, err error) {
	private, err := crypto.ToECDSA(key)
	if err != nil {
		return "", err // this error doesn't contain the key
	}
	return k.addPair(private), nil
}

func (k *keyStore) addPair(key *ecdsa.PrivateKey) string {
	id := randomID()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pairs[id] = key
	return id
}

// DeleteKeyPair deletes a key pair. Existing filters still use it.
func (k *keyStore) DeleteKeyPair(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.pairs[id]; !ok {
		return fmt.Errorf("key pair %s: %w", id, ErrNoKey)
	}
	delete(k.pairs, id)
	return nil
}

// HasKeyPair reports whether there is a key pair with that ID.
func (k *keyStore) HasKeyPair(id string) bool {
	_, err := k.pair(id)
	return err == nil
}

// GetPublicKey returns the public key of a pair: 65 bytes, the form that [NewMessage] takes.
func (k *keyStore) GetPublicKey(id string) (hexutil.Bytes, error) {
	key, err := k.pair(id)
	if err != nil {
		return nil, err
	}
	return crypto.FromECDSAPub(&key.PublicKey), nil
}

// GetPrivateKey returns the private key of a pair, 32 bytes.
func (k *keyStore) GetPrivateKey(id string) (hexutil.Bytes, error) {
	key, err := k.pair(id)
	if err != nil {
		return nil, err
	}
	return crypto.FromECDSA(key), nil
}

func (k *keyStore) pair(id string) (*ecdsa.PrivateKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.pairs[id]
	if !ok {
		return nil, fmt.Errorf("key pair %s: %w", id, ErrNoKey)
	}
	return key, nil
}

// NewSymKey makes a symmetric key and returns its ID.
func (k *keyStore) NewSymKey() (id string) {
	key := make([]byte, SymKeyLength)
	rand.Read(key) // never fails
	return k.addSymKey(key)
}

// AddSymKey adds a symmetric key, 32 bytes that are not all zero, and returns its ID.
func (k *keyStore) AddSymKey(key hexutil.Bytes) (id string, err error) {
	if len(key) != SymKeyLength {
		return "", fmt.Errorf("symmetric key of %d bytes, want %d", len(key), SymKeyLength)
	}
	if bytes.Equal(key, make([]byte, SymKeyLength)) {
		return "", errors.New("symmetric key is all zeros")
	}
	return k.addSymKey(bytes.Clone(key)), nil
}

// GenerateSymKeyFromPassword adds the symmetric key that is derived from a password, see
// [SymKeyFromPassword], and returns its ID.
func (k *keyStore) GenerateSymKeyFromPassword(password string) (id string, err error) {
	key, err := SymKeyFromPassword(password)
	if err != nil {
		return "", err
	}
	return k.addSymKey(key), nil
}

func (k *keyStore) addSymKey(key []byte) string {
	id := randomID()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.symKeys[id] = key
	return id
}

// HasSymKey reports whether there is a symmetric key with that ID.
func (k *keyStore) HasSymKey(id string) bool {
	_, err := k.GetSymKey(id)
	return err == nil
}

// GetSymKey returns a copy of a symmetric key.
func (k *keyStore) GetSymKey(id string) (hexutil.Bytes, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	key, ok := k.symKeys[id]
	if !ok {
		return nil, fmt.Errorf("symmetric key %s: %w", id, ErrNoKey)
	}
	return bytes.Clone(key), nil
}

// DeleteSymKey deletes a symmetric key and reports whether it existed. Existing filters
// still use it.
func (k *keyStore) DeleteSymKey(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.symKeys[id]
	delete(k.symKeys, id)
	return ok
}
