// Package gethcompat runs protocols that were written for go-ethereum, unchanged, on links
// of this node.
//
//	specs, err := gethcompat.Specs(eth.MakeProtocols(backend, network, candidates)...)
//	...
//	node.Config{Specs: specs}
//
// Run is called once for each link, in a goroutine, with a p2p.Peer and a
// p2p.MsgReadWriter. Its return ends the link as in go-ethereum: nil with the reason
// 'client quitting', a p2p.DiscReason with that reason, an error of Msg.Decode with
// 'breach of protocol', any other error with 'subprotocol error'. A panic in Run is logged
// with its stack and ends this link; in go-ethereum it ends the process. Run is not called
// again for the link, because a conversation can't restart in its middle.
//
// Differences from a p2p.Server:
//
//   - WriteMsg returns when the message is queued, not when it is written. It blocks while
//     1 MiB is queued.
//   - The bytes of unread messages are bounded. If the bound is reached, go-ethereum stops
//     reading the whole connection; here the link's other protocols go on. A Run that
//     reads nothing for 20 s with a full budget ends the link.
//   - The p2p.Peer is of the kind that go-ethereum makes for tests, because only
//     go-ethereum can make a real one. ID, Name, Fullname, Caps, RunningCap and Disconnect
//     work as usual, with these exceptions: Caps are the ones that run on the link; the
//     remote receives 'disconnect requested' whatever the argument of Disconnect was; the
//     peer has no address, so RemoteAddr is "pipe" and Inbound is false. [LinkOf] returns
//     the link, which has this information.
//   - DialCandidates and Attributes, which a p2p.Server uses, are ignored. Give them to the
//     node.
package gethcompat
