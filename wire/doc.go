// Package wire turns bytes into messages and back: the RLPx handshake (EIP-8), frames with their
// encryption and MAC, snappy, the Hello exchange and the reasons of Disconnect.
//
// The package has no actor, no goroutine and no policy. The packages above it decide which remotes may connect, how
// much data may be buffered and when to disconnect. This package parses bytes and rejects those that are not valid.
//
// # From a connection to a session
//
//	initiator                                        recipient
//	NewAuth            ── auth ───────────────────▶  AcceptAuth / OpenAuth   (the initiator's key is now proven)
//	Finish   ◀──────── ack, Hello (one write) ─────  Welcome, or Refuse: ack, Disconnect
//	Session            ── Hello ──────────────────▶  Session
//
// Dial performs the left side, AcceptAuth and Welcome the right side. Each side sends its Hello without waiting for
// the other's. The single steps are exported too, for callers that do their own reading and writing.
//
// # Frames
//
// A Session has one Encoder, owned by one writer, and one Decoder, owned by one reader. They share no mutable state,
// so the writer and the reader may run concurrently. AppendFrame and AppendCompressed lay out an outgoing frame with
// room for the header and the MACs. Encoder.Seal encrypts any number of such frames in place. Decoder.Next decrypts an
// incoming frame in place. Neither direction allocates in steady state.
//
// Two invariants hold:
//   - Bytes are sealed in the order in which they are written, each exactly once, because cipher and MAC are running
//     states.
//   - A frame header is trusted only after its MAC is checked, and no memory is allocated for a claimed size before the
//     claim is known to be possible. The one exception (see Decoder.Next) costs at most the hashing of 64 KiB.
//
// # Errors
//
// An error caused by bytes from the remote carries the Disconnect reason to answer with (see ReasonOf). Errors of the
// connection itself (io.EOF, deadlines) are wrapped and carry no reason.
//
// Specifications: the devp2p repository's rlpx.md, and EIP-8 for the handshake.
package wire
