// Package stun builds and reads the few STUN messages (RFC 8489) that a node exchanges to learn its own
// address: Binding requests, the success responses to them, and Binding indications.
//
//   - A node asks public servers under which IP address they see it: [Request], [ParseServerResponse].
//   - Nodes tell each other under which UDP endpoint they see each other: [PaddedRequest],
//     [AnswerDatagram], [ParseResponse]. The request is padded, so that a forged source address gains
//     nothing from the answer.
//   - They do the same over TCP, where a request stands in place of an RLPx auth: [Ask],
//     [AnswerStream].
//   - A node opens its NAT for another with a Binding indication, which needs no answer: [Indication],
//     [ParseIndication].
//
// The package is a leaf: it imports only libraries, and github.com/pion/stun does the encoding. Its functions
// are safe for concurrent use, do not keep or change the bytes that they are given, and accept
// arbitrary bytes.
package stun
