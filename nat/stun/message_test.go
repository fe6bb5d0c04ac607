package stun

import (
	"bytes"
	"testing"
)

var someID = ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// changed returns a copy of a message with another byte at i.
func changed(message []byte, i int, b byte) []byte {
	out := bytes.Clone(message)
	out[i] = b
	return out
}

func TestIndication(t *testing.T) {
	sent := Indication(someID)
	want := append([]byte{0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42}, someID[:]...)
	if !bytes.Equal(sent, want) {
		t.Fatalf("an indication is % x, want % x", sent, want)
	}
	for _, tt := range []struct {
		name     string
		datagram []byte
		ok       bool
	}{
		{"an indication", sent, true},
		{"empty", nil, false},
		{"cut", sent[:19], false},
		{"longer", append(bytes.Clone(sent), 0), false},
		{"a request", changed(sent, 1, 0x01), false},
		{"a response", changed(sent, 0, 0x01), false},
		{"another method", changed(sent, 1, 0x13), false},
		{"bits that STUN leaves zero", changed(sent, 0, 0x80), false},
		{"another cookie", changed(sent, 4, 0x22), false},
		{"a length without attributes", changed(sent, 3, 4), false},
		{"a padded request", PaddedRequest(someID), false},
	} {
		got, ok := ParseIndication(tt.datagram)
		if ok != tt.ok || ok && got != someID {
			t.Errorf("%s: %x, %v", tt.name, got, ok)
		}
	}
}

func TestHasHeader(t *testing.T) {
	request := Request(someID)
	for _, tt := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"a request", request, true},
		{"a request with bytes behind it", append(bytes.Clone(request), 1, 2, 3), true},
		{"another method", changed(request, 1, 0x13), true},
		{"cut", request[:19], false},
		{"empty", nil, false},
		{"another cookie", changed(request, 7, 0x43), false},
		{"bits that STUN leaves zero", changed(request, 0, 0x40), false},
	} {
		if got := HasHeader(tt.b); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestNewID(t *testing.T) {
	if a, b := NewID(), NewID(); a == b || a == (ID{}) {
		t.Errorf("two IDs are %x and %x", a, b)
	}
}
