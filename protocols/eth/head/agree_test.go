package head_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/troupe-p2p/troupe/protocols/eth/head"
	"github.com/troupe-p2p/troupe/protocols/eth/verify"
)

func TestAgree(t *testing.T) {
	h := func(n uint64, branch byte) verify.Header {
		return verify.Header{Number: n, Hash: common.Hash{byte(n), branch}}
	}
	const yes, no = true, false
	for _, tt := range []struct {
		name  string
		heads []verify.Header
		has   [][]bool
		want  uint64 // 0: none
	}{
		{"one peer", []verify.Header{h(7, 0)}, [][]bool{{no}}, 7},
		{"the same", []verify.Header{h(7, 0), h(7, 0)}, [][]bool{{no, no}, {no, no}}, 7},
		{"one of two is behind", []verify.Header{h(6, 0), h(7, 0)}, [][]bool{{no, no}, {yes, no}}, 6},
		{"one of three is behind", []verify.Header{h(6, 0), h(7, 0), h(7, 0)}, [][]bool{{no, no, no}, {yes, no, no}, {yes, no, no}}, 7},
		{"one of three is ahead", []verify.Header{h(9, 1), h(7, 0), h(7, 0)}, [][]bool{{no, no, no}, {no, no, no}, {no, no, no}}, 7},
		{"all differ, on one chain", []verify.Header{h(9, 0), h(8, 0), h(7, 0)}, [][]bool{{no, yes, yes}, {no, no, yes}, {no, no, no}}, 8},
		{"two chains", []verify.Header{h(9, 0), h(8, 1)}, [][]bool{{no, no}, {no, no}}, 0},
		{"two against two", []verify.Header{h(9, 0), h(9, 0), h(8, 1), h(8, 1)}, [][]bool{make([]bool, 4), make([]bool, 4), make([]bool, 4), make([]bool, 4)}, 0},
		{"no peer", nil, nil, 0},
	} {
		got, ok := head.Agree(tt.heads, tt.has)
		if ok != (tt.want != 0) || got.Number != tt.want {
			t.Errorf("%s: block %d, %v; want %d", tt.name, got.Number, ok, tt.want)
		}
	}
}
