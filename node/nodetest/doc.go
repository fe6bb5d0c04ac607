// Package nodetest runs whole nodes for tests that need more than the two ends of one link,
// which package protocols/protocoltest has.
//
// A [Cluster] is some nodes on a network in memory, each with an address. Everything but the
// sockets is real. A message along a line of fifty nodes:
//
//	c := nodetest.New(t, 50, func(i int, cfg *node.Config) { cfg.Specs = []protocols.Spec{relay.Spec()} })
//	c.SetLatency(20 * time.Millisecond)
//	c.Line()
//
// [Cluster.Partition] cuts the network and [Cluster.Heal] restores it. As in a real network,
// no node is notified: what is sent in between is sent again until it arrives, or until a
// time-out ends the connection.
//
// A [Network] alone is for tests that make their nodes themselves, and for remotes that
// a test plays. It carries connections, no packets: nodes on it run without discovery, and
// know each other as static nodes or from node.Config.Candidates.
//
// [Start] runs one node on loopback until the test ends, or on a Network. [Watch] reads its
// events, [Log] its log, and a [Client] is a remote that the test plays down to the bytes.
//
// Under testing/synctest all of it runs on the bubble's clock, so that latencies and
// time-outs are exact and take no real time.
package nodetest
