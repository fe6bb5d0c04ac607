// Package protocoltest gives both ends of a link to the test of a protocol, without
// a network, as net/http/httptest does for handlers.
//
// [NewPair] makes two nodes' ends, A and B. Everything between them is real: the RLPx handshake
// and frames, the hosts with their credit and outboxes, and supervision. Only the sockets are in
// memory. A test of what a restart keeps:
//
//	p := protocoltest.NewPair(t, greet.Spec(), protocoltest.ByHand(greet.Spec()))
//	p.B.Send(&greet.Hello{Name: "b"})
//	p.A.Crash()
//	p.B.Send(&greet.WhoAmI{})
//	if got := protocoltest.Next[greet.You](p.B); got.Name != "b" {
//		t.Errorf("after a restart B is called %q", got.Name)
//	}
//
// The test controls an end made with [ByHand]: it sends any message, and takes what the other
// end sent with [Next]. An end made with [Script] plays a script, line after line. For a hostile
// remote, use a Spec with the same name, version and length but Raw messages, which can carry
// any bytes.
//
// If the version begins with a Handshake, NewPair returns when the handshake is over, so that a
// test cannot send too early. To play a remote's part in the handshake, give its Spec a version
// that has none.
//
// A protocol with a Provision gets a temporary directory at each end, unless [Dir] names one.
//
// # Faults
//
//   - The network: [Pair.SetLatency], [Pair.SetDown], [Pair.Cut].
//   - A remote that does not read: [End.Pause], with [End.FillOutbox] until nothing can be sent
//     any more. [FullOutboxAt] makes the actor itself find its outbox full.
//   - A crash: [CrashBefore] and [CrashAfter] a message of the remote, like a bug in the code;
//     [End.Crash] and [End.CrashService], which lose nothing.
//
// A [Recorder] has all messages that passed over the link, both ways; [End.Steps] has the
// lifecycle steps of the actors. The examples "Restart" and "Backpressure" have five lines each.
//
// Under testing/synctest all of it runs on the bubble's clock: time-outs of minutes pass at once,
// and synctest.Wait returns when both ends are idle.
package protocoltest
