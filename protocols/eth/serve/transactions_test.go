package serve_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/protocols/eth/serve"
)

// TestTransactions: requests without end have a bounded answer (ethereumjs #1051).
func TestTransactions(t *testing.T) {
	item := func(size int) []byte {
		b, err := rlp.EncodeToBytes(make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	small, large, huge := item(100), item(900<<10), item(serve.MaxMessage)
	hash := func(i int) common.Hash { return common.Hash{byte(i), byte(i >> 8)} }
	for _, c := range []struct {
		name   string
		hashes int
		get    func(i int) []byte
		want   []int // how many items, of which sizes the first and the last are
	}{
		{"all", 3, func(int) []byte { return small }, []int{3, len(small), len(small)}},
		{"gaps", 4, func(i int) []byte {
			if i%2 == 0 {
				return nil
			}
			return item(i)
		}, []int{2, len(item(1)), len(item(3))}},
		{"none", 3, func(int) []byte { return nil }, []int{0}},
		{"2 MiB, and what has begun below it", 9, func(int) []byte { return large }, []int{3, len(large), len(large)}},
		{"more than a message", 3, func(i int) []byte {
			if i == 1 {
				return huge
			}
			return small
		}, []int{1, len(small), len(small)}},
		{"4,096 lookups", 5000, func(i int) []byte {
			if i == 4096 {
				return small
			}
			return nil
		}, []int{0}},
	} {
		var hashes []common.Hash
		for i := range c.hashes {
			hashes = append(hashes, hash(i))
		}
		b, err := serve.Transactions(hashes, func(h common.Hash) ([]byte, error) { return c.get(int(h[0]) + int(h[1])<<8), nil })
		if err != nil {
			t.Fatal(err)
		}
		got := items(t, b)
		if len(got) != c.want[0] || len(got) > 0 && (len(got[0]) != c.want[1] || len(got[len(got)-1]) != c.want[2]) {
			t.Errorf("%s: %d items, want %v", c.name, len(got), c.want)
		}
		if len(b) > serve.MaxMessage {
			t.Errorf("%s: %d bytes", c.name, len(b))
		}
	}
	broken := errors.New("broken")
	if b, err := serve.Transactions([]common.Hash{{1}}, func(common.Hash) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) || !bytes.Equal(b, nil) {
		t.Errorf("%x, %v", b, err)
	}
}
