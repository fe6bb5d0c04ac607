package wire

import "crypto/cipher"

// direction has the cipher and the MAC of one direction. While it is parked, it has only what cannot be
// computed again.
type direction struct {
	*work // nil while parked

	keys     *keys
	absorbed sponge // state of the MAC while parked
	blocks   uint64 // of the key stream, used so far, while parked
}

// keys are the secrets of both directions.
type keys struct{ aes, mac [32]byte }

// work is what a direction needs while frames pass.
type work struct {
	stream keyStream
	mac    frameMAC
	opening
}

// codec is what a session keeps for its life, in one piece of memory: small pieces share pages with garbage of the
// handshake.
type codec struct {
	enc  Encoder
	dec  Decoder
	keys keys
}

func newCodec(s *Secrets) *codec {
	c := &codec{keys: keys{aes: s.AES, mac: s.MAC}}
	c.enc.direction = newDirection(s, &c.keys, &s.egress)
	c.dec.direction = newDirection(s, &c.keys, &s.ingress)
	return c
}

func newDirection(s *Secrets, k *keys, mac *sponge) direction {
	d := direction{keys: k, absorbed: *mac}
	d.work = d.newWork(s.macBlock)
	return d
}

// unpark makes work, if there is none.
func (d *direction) unpark() {
	if d.work == nil {
		d.work = d.newWork(nil)
	}
}

// newWork makes what the parked direction goes on with. macBlock may be nil.
func (d *direction) newWork(macBlock cipher.Block) *work {
	return &work{
		stream: keyStream{key: &d.keys.aes, blocks: d.blocks},
		mac:    newFrameMAC(&d.keys.mac, macBlock, &d.absorbed),
	}
}

// park frees work.
func (d *direction) park() {
	if d.work != nil {
		d.absorbed, d.blocks = d.work.mac.state, d.work.stream.blocks
		d.work = nil
	}
}
