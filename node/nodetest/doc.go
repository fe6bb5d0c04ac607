// Package nodetest runs whole nodes on a network in memory, for tests of what needs more
// than the two ends of one link, which package protocols/protocoltest has.
//
// A [Cluster] is so many nodes with an address each, everything real in them but the
// sockets. A message along a line of fifty:
//
//	c := nodetest.New(t, 50, func(i int, cfg *node.Config) { cfg.Specs = []protocols.Spec{relay.Spec()} })
//	c.SetLatency(20 * time.Millisecond)
//	c.Line()
//
// [Cluster.Partition] takes the network apart and [Cluster.Heal] puts it together again. As
// in the real one nobody is told: what is sent meanwhile is sent again until it arrives, or
// until somebody's patience ends.
//
// A [Network] alone is for tests that make their nodes themselves, and for remotes that
// they play by hand. It carries connections, no packets: nodes on it do without discovery,
// and know each other as static nodes or from node.Config.Candidates.
//
// Under testing/synctest all of it runs on the bubble's clock, so that latencies and
// time-outs are exact and pass at once.
package nodetest
