// Package protocoltest gives both ends of a link to the test of a protocol, without
// a network, as net/http/httptest does for handlers.
//
// [NewPair] makes two nodes' ends, A and B, with everything real between them: the
// RLPx handshake and frames, the hosts with their credit and outboxes, and
// supervision. Only the sockets are memory. A test of what a restart keeps:
//
//	p := protocoltest.NewPair(t, greet.Spec(), protocoltest.ByHand(greet.Spec()))
//	p.B.Send(&greet.Hello{Name: "b"})
//	p.A.Crash()
//	p.B.Send(&greet.WhoAmI{})
//	if got := protocoltest.Next[greet.You](p.B); got.Name != "b" {
//		t.Errorf("after a restart B is called %q", got.Name)
//	}
//
// An end made with [ByHand] is played by the test itself: it sends what it likes and
// takes what the other end sent with [Next]. One made with [Script] plays by itself, line
// after line. A hostile remote is one whose Spec has the same name, version and length but
// Raw messages, by which any bytes can be sent.
//
// Where the version begins with a Handshake, a Pair comes when that is over, so that what a
// test sends can't be ahead of it. To play a remote's part in the handshake, give its Spec a
// version that has none.
//
// A protocol with a Provision gets a temporary directory at each end, unless [Dir] names one.
//
// # Faults
//
//   - The network: [Pair.SetLatency], [Pair.SetDown], [Pair.Cut].
//   - A remote that does not read: [End.Pause], with [End.FillOutbox] until nothing can be
//     sent any more. [FullOutboxAt] lets the actor itself run into that.
//   - A crash: [CrashBefore] and [CrashAfter] a message of the remote's, as a mistake in the
//     code makes it; [End.Crash] and [End.CrashService], which lose nothing.
//
// What passed over the link meanwhile, both ways, is in a [Recorder]; what became of the
// actors, in [End.Steps]. The examples "Restart" and "Backpressure" have five lines each.
//
// Under testing/synctest all of it runs on the bubble's clock: time-outs of minutes
// pass at once, and synctest.Wait returns when both ends are at rest.
package protocoltest
