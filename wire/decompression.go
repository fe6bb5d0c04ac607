package wire

import "encoding/binary"

// Decompression decompresses one payload in steps, so that the caller can let other work run in between. The zero value
// is done.
type Decompression struct {
	dst, src []byte
	d, s     int // bytes of dst written, bytes of src read
}

// NewDecompression starts to decompress payload into dst, which must have a capacity of at least DecodedLen(payload)
// bytes. Neither may be changed before the last Step. The errors are those of Decompress; ErrCorrupt may also come
// later, from Step.
func NewDecompression(dst, payload []byte) (Decompression, error) {
	n, err := fits(dst, payload)
	if err != nil {
		return Decompression{}, err
	}
	_, claim := binary.Uvarint(payload)
	return Decompression{dst: dst[:n], src: payload[claim:]}, nil
}

// Step decompresses at least n more bytes if so many are left. It stops at the first element of the block that reaches
// n, so it writes at most 64 bytes more, or one literal, which is as long on the wire. It returns the whole content once
// that is complete, and nil before. The error is ErrCorrupt.
func (x *Decompression) Step(n int) (content []byte, err error) {
	stop := min(x.d+n, len(x.dst))
	for x.d < stop {
		if !x.element() {
			return nil, breachf("%w: invalid after %d bytes", ErrCorrupt, x.d)
		}
	}
	switch {
	case x.d < len(x.dst):
		return nil, nil
	case x.s < len(x.src):
		return nil, breachf("%w: %d bytes too many", ErrCorrupt, len(x.src)-x.s)
	}
	return x.dst, nil
}

// element decodes one literal or copy (format_description.txt of snappy, section 2). It returns false if it is invalid.
func (x *Decompression) element() bool {
	src := x.src[x.s:]
	if len(src) == 0 {
		return false
	}
	tag := src[0]
	size := int(tag>>2) + 1
	var offset int
	switch tag & 3 {
	case 0:
		return x.literal(size, src[1:])
	case 1:
		if len(src) < 2 {
			return false
		}
		size, offset = int(tag>>2&7)+4, int(tag>>5)<<8|int(src[1])
		x.s += 2
	case 2:
		if len(src) < 3 {
			return false
		}
		offset = int(binary.LittleEndian.Uint16(src[1:]))
		x.s += 3
	default:
		if len(src) < 5 {
			return false
		}
		offset = int(binary.LittleEndian.Uint32(src[1:]))
		x.s += 5
	}
	if offset == 0 || offset > x.d || size > len(x.dst)-x.d {
		return false
	}
	// A copy may reach into what it writes, and repeats that then. Each round copies what is there already.
	from, to := x.d-offset, x.d+size
	for x.d < to {
		x.d += copy(x.dst[x.d:to], x.dst[from:x.d])
	}
	return true
}

// literal copies a literal. size is its length, or, above 60, says in how many bytes of src the length minus one is.
func (x *Decompression) literal(size int, src []byte) bool {
	x.s++
	if k := size - oneLiteral; k > 0 {
		if len(src) < k {
			return false
		}
		size = 1
		for i := range k {
			size += int(src[i]) << (8 * i)
		}
		src = src[k:]
		x.s += k
	}
	if size > len(src) || size > len(x.dst)-x.d {
		return false
	}
	copy(x.dst[x.d:], src[:size])
	x.d += size
	x.s += size
	return true
}
