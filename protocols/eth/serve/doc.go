// Package serve answers requests for parts of a chain, by the limits of the eth protocol. Its
// functions are rules: they read from a [Source], and know neither links nor time.
//
// An answer is encoded as the list that the message has. Its size is bounded twice: a soft limit
// is looked at before each item, and a message never has more than [MaxMessage] bytes.
package serve
