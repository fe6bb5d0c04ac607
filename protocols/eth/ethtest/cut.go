package ethtest

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/rlp"
)

// FirstOfEra1 returns an era1 file with the first blocks of the era1 file b, without accumulator.
func FirstOfEra1(b []byte, count int) []byte {
	word := func(at int) int { return int(binary.LittleEndian.Uint64(b[at:])) }
	index := len(b) - 8*word(len(b)-8) - 24
	end := index + word(index+16+8*count)
	out := append([]byte{}, b[:end]...)
	index64 := []int{word(index + 8)}
	for i := range count {
		index64 = append(index64, index+word(index+16+8*i)-end)
	}
	return appendEntry(out, 0x3266, append(index64, count))
}

// FirstOfEre returns an .ere file with the first blocks of the .ere file b, without accumulator.
func FirstOfEre(b []byte, count int) []byte {
	word := func(at int) int { return int(binary.LittleEndian.Uint64(b[at:])) }
	slots, all := word(len(b)-16), word(len(b)-8)
	index := len(b) - 8*all*slots - 32
	out := append([]byte{}, b[:8]...)
	offsets := make([]int, count*slots)
	for slot := range slots {
		for i := range count {
			off := index + word(index+16+8*(i*slots+slot))
			offsets[i*slots+slot] = len(out)
			out = append(out, b[off:off+8+int(binary.LittleEndian.Uint32(b[off+2:]))]...)
		}
	}
	words := []int{word(index + 8)}
	for _, off := range offsets {
		words = append(words, off-len(out))
	}
	return appendEntry(out, 0x3267, append(words, slots, count))
}

// FirstOfChain returns the first blocks of the chain.rlp file b.
func FirstOfChain(b []byte, count int) []byte {
	rest := b
	for range count {
		_, _, rest, _ = rlp.Split(rest)
	}
	return b[:len(b)-len(rest)]
}

// appendEntry appends an entry of words to an e2store file.
func appendEntry(b []byte, typ uint16, words []int) []byte {
	b = binary.LittleEndian.AppendUint16(b, typ)
	b = binary.LittleEndian.AppendUint32(b, uint32(8*len(words)))
	b = append(b, 0, 0)
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, uint64(w))
	}
	return b
}
