package devnet

import (
	"strings"
	"testing"
)

func TestOpenFiles(t *testing.T) {
	for _, tt := range []struct {
		nodes, peers int
		limit        uint64
		want         string // in the error; empty: none
	}{
		{20, 10, 1024, ""},
		{68, 10, 1024, ""},
		{69, 10, 1024, "at most 68 nodes"},
		{300, 10, 1024, "need 4264 open files, and the limit of the process is 1024"},
		{300, 10, 20_000, ""},
		{300, 100, 20_000, "at most 191 nodes"},
		{1, 10, 50, "at most 0 nodes"},
		{300, 10, 0, ""},
	} {
		err := checkFiles(tt.nodes, tt.peers, tt.limit)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d nodes with %d peers, limit %d: %v, want %q", tt.nodes, tt.peers, tt.limit, err, tt.want)
		}
	}
	if openFiles() == 0 {
		t.Log("the limit of this system is unknown")
	}
}
