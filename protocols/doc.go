// Package protocols is the kit for writing a protocol actor.
//
// The author of a protocol writes an ordinary protoactor actor.Actor and a [Spec]: the
// protocol's name, its versions with their message types in the order of their codes, its
// restart policy, and its limits. For each link on which both nodes speak the protocol there is
// one such actor. It receives
//
//   - *[LinkUp], first and again after each restart,
//   - its own typed messages, as pointers to decoded copies,
//   - *[Drained], once after Sends were refused with [ErrOutboxFull],
//   - *[LinkDown], when the link has ended, and
//   - protoactor's lifecycle messages, and messages of other actors.
//
// A version may begin with a handshake, see [Exchange]: LinkUp is sent when it is done.
//
// A link has two handles: the actor's own handle, which is in LinkUp, and [Link.Shared] for
// every other sender. See [Link] for the difference.
//
// The actor sends with [Link.Send], sends large answers with [Link.SendSeq], and ends the link
// with [Link.Disconnect]. It sends requests with [Link.Ask], [AskThen] or [Call], which match the
// answer to its request by a request ID. A message for many links is encoded and compressed
// once: see [Broadcast].
//
// Besides the links' actors a protocol may have one service on each node, for what its links
// share: see [LinkJoined]. It stops after them, within the StopTimeout of its [Spec]. The Spec's
// Provision gets what a protocol needs of its node, such as a directory: see [Env]. The Spec's
// Flags are for the command line of a program that runs the protocol.
//
// A host around the actor does the RLP, the message codes, the write token, the credit and the
// restarts. A panic loses the message being handled and makes a new actor on the same link; the
// remote notices nothing. State that must survive belongs to the link: see [State]. An invalid
// message of the remote is not a panic: bytes that are not a valid message of their code end the
// link with a protocol error, and so does a message beyond its limits: see [MaxSize] and
// [MaxItems].
//
// Use [FromRun] to write a protocol as one blocking function that reads and writes. Package
// gethcompat does so for the protocols of go-ethereum.
//
// A protocol needs this package and protoactor, and nothing else of Troupe; its tests also need
// package protocoltest. The example "Echo" is a whole protocol.
package protocols
