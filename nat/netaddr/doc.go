// Package netaddr holds the rules for IP addresses that the whole node shares: which addresses are
// public, which identify a host, what counts as one host or one network, and where a node record
// says that its node is reached.
//
// The package is a leaf: it imports only libraries. Its functions are pure and safe for concurrent
// use. They treat an IPv4-mapped IPv6 address (::ffff:1.2.3.4) as the IPv4 address that it holds,
// because that is how a dual-stack socket reports an IPv4 remote.
package netaddr
