// Package protocols is the kit for writing a protocol actor.
//
// What an author writes is an ordinary protoactor actor.Actor and a [Spec]: the
// protocol's name, its versions with their message types in the order of their
// codes, how it is restarted, and what it may hold. For each link on which both
// nodes speak the protocol there is one such actor. It receives
//
//   - *[LinkUp], first and again after each restart,
//   - its own typed messages, as pointers to decoded copies,
//   - *[Drained], once after Sends were refused with [ErrOutboxFull],
//   - *[LinkDown], when the link has ended, and
//   - protoactor's lifecycle messages, and whatever other actors send to it.
//
// A version may begin with a handshake, see [Exchange]: LinkUp comes when it is done.
//
// A link has two handles: the own one of its actor, which LinkUp brings, and [Link.Shared]
// for every other sender. See [Link] for the difference.
//
// The actor sends with [Link.Send], answers at length with [Link.SendSeq], and ends the
// link with [Link.Disconnect]. What the remote is to answer it sends with [Link.Ask],
// [AskThen] or [Call], which tie the answer to it by a request ID. What goes to many
// links is encoded and compressed once: see [Broadcast].
//
// Beside the links' actors a protocol may have one service on each node, for what they have
// in common: see [LinkJoined]. It stops after them, and has time for that: see StopTimeout in
// [Spec]. What a protocol needs of its node, such as a directory, its Provision gets: see [Env].
// Its Flags are for the command line of a program that runs it.
//
// Around it a host does the RLP, the message codes, the write token, the credit
// and the restarts. A panic loses the message being handled and makes a new actor
// on the same link; the remote sees nothing. What must outlive that lives in the
// link: see [State]. What the remote does wrong is no panic: bytes that are not
// the message they claim to be end the link as a breach of protocol, and so do those
// beyond what the message may have: see [MaxSize] and [MaxItems].
//
// Who would rather read and write in one blocking function than be called uses
// [FromRun]; package gethcompat does, for the protocols of go-ethereum.
//
// An author needs this package and protoactor, nothing else of Troupe; a test of the
// protocol, package protocoltest beside it. The example "Echo" is a whole protocol.
package protocols
