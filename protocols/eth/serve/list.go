package serve

import "github.com/ethereum/go-ethereum/rlp"

// list collects the items of an answer within its limits. It copies none before encode.
type list struct {
	content [][]byte
	size    int // of the content in bytes
}

// listOf returns an empty list with room for so many items, or for as many as an answer may have.
func listOf(items int) list { return list{content: make([][]byte, 0, min(items, MaxItems))} }

// full reports whether nothing is to be added.
func (l *list) full() bool { return l.size >= softLimit || len(l.content) >= MaxItems }

// room returns how many bytes the message still takes.
func (l *list) room() int { return MaxMessage - overhead - l.size }

// add adds an encoded item, which nothing may change, and reports whether it fits in the message.
func (l *list) add(item []byte) bool {
	if len(item) > l.room() {
		return false
	}
	l.content = append(l.content, item)
	l.size += len(item)
	return true
}

// encode returns the encoded list, see Free.
func (l *list) encode() []byte {
	out := AppendListHead(getMemory(listSize(l.size)), l.size)
	for _, item := range l.content {
		out = append(out, item...)
	}
	return out
}

// AppendListHead appends the bytes that go before the content of a list.
func AppendListHead(b []byte, content int) []byte {
	if content < 56 {
		return append(b, 0xc0+byte(content))
	}
	n := 0
	for v := content; v > 0; v >>= 8 {
		n++
	}
	b = append(b, 0xf7+byte(n))
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(content>>(8*i)))
	}
	return b
}

// listSize returns the size of a list with so many bytes of content.
func listSize(content int) int { return int(rlp.ListSize(uint64(content))) }
