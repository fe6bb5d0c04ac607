// Package shh is Whisper, version 6 (EIP-627): encrypted messages that everybody passes
// on and only those read who have the key.
package shh
