// Package wire turns bytes into messages and back: the RLPx handshake (EIP-8), frames with their
// encryption and MAC, snappy, the Hello exchange and the reasons of Disconnect.
//
// It holds no actor, no goroutine and no policy. Who may connect, how much may wait and when to hang up is decided
// above; this package only says what the bytes mean and refuses those that can't mean anything.
//
// # From a connection to a session
//
//	initiator                                        recipient
//	NewAuth            ── auth ───────────────────▶  AcceptAuth / OpenAuth   (now the remote's key is proven)
//	Finish   ◀──────── ack, Hello (one write) ─────  Welcome, or Refuse: ack, Disconnect
//	Session            ── Hello ──────────────────▶  Session
//
// Dial performs the left side, AcceptAuth and Welcome the right one. Both sides send their Hello without waiting for
// the other's. The pieces between are exported too, so that a caller may do its own reading and writing.
//
// # Frames
//
// A Session carries one Encoder and one Decoder, one for each direction, to be owned by one writer and one reader;
// they share nothing that changes, so writer and reader may run at once. An outgoing frame is laid out in place by
// AppendFrame or AppendCompressed (room for header and MACs included) and sealed where it lies, any number of frames a
// call. An incoming frame is opened where it was read. Neither direction allocates in steady state.
//
// Two invariants hold:
//   - Bytes are sealed in the order in which they are written, each exactly once: cipher and MAC are running states.
//   - Nothing a frame header says is believed before its MAC is checked, and nothing is allocated for a claimed size
//     before the claim is known to be possible. The one exception (see Decoder.Next) costs the hashing of 64 KiB at most.
//
// # Errors
//
// An error caused by what the remote sent carries the reason to answer with (see ReasonOf). Errors of the
// connection itself (io.EOF, deadlines) are wrapped and carry none.
//
// Specifications: the devp2p repository's rlpx.md, and EIP-8 for the handshake.
package wire
