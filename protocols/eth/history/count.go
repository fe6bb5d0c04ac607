package history

import (
	"encoding/binary"
	"path/filepath"

	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// minBlock is less than the size of a block with its place in the index of an era1 or .ere file, in
// bytes.
const minBlock = 32

// expectedBlocks returns about how many blocks the files have, by the last word of each. It does not
// count a chain.rlp, whose size does not tell, nor a file that cannot be read.
func expectedBlocks(paths []string) (blocks int) {
	for _, path := range paths {
		blocks += expectedIn(path)
	}
	return blocks
}

func expectedIn(path string) int {
	if ext := filepath.Ext(path); ext != ".ere" && ext != ".era1" {
		return 0
	}
	f, info, err := chain.OpenRegular(path)
	if err != nil {
		return 0 // Index says why
	}
	defer f.Close()
	var word [8]byte
	if _, err := f.ReadAt(word[:], max(0, info.Size()-8)); err != nil {
		return 0
	}
	return int(min(binary.LittleEndian.Uint64(word[:]), maxBlocks, uint64(info.Size())/minBlock))
}
