package history_test

import (
	"log/slog"
	"testing"

	"github.com/ethereum/go-ethereum/params"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
	"github.com/troupe-p2p/troupe/protocols/eth/ethtest"
	"github.com/troupe-p2p/troupe/protocols/eth/history"
)

// BenchmarkRead reads parts that are not cached: from the file, and from the archive, which checks
// them against their headers.
func BenchmarkRead(b *testing.B) {
	path := ethtest.Samples(b)[1]
	f, err := history.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	a, err := history.NewArchive(history.ArchiveConfig{Paths: []string{path}, Genesis: params.SepoliaGenesisHash, Log: slog.Default()})
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	if err := a.Index(b.Context(), func() {}); err != nil {
		b.Fatal(err)
	}
	first, count := f.Span()
	for name, read := range map[string]func(chain.Part, uint64) ([]byte, error){"file": f.Read, "archive": a.Read} {
		for _, p := range []chain.Part{chain.Header, chain.Body, chain.Receipts} {
			b.Run(name+"/"+p.String(), func(b *testing.B) {
				bytes := 0
				for i := 0; b.Loop(); i++ {
					part, err := read(p, first+uint64(i)%count)
					if err != nil {
						b.Fatal(err)
					}
					bytes += len(part)
				}
				b.ReportMetric(float64(bytes)/float64(b.N), "B/part")
			})
		}
	}
}
