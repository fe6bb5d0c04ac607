package torture

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// What differs between two ends of one kind: addresses, numbers of bytes, IDs.
var (
	ofConnection = regexp.MustCompile(`(read|write|close) (tcp|udp)[46]? \S+->\S+: `)
	ofSize       = regexp.MustCompile(`\b\d+( of (the claimed )?\d+)? (bytes|MiB)\b`)
	ofClaim      = regexp.MustCompile(`\b(claims|claimed) \d+\b`)
	ofRemote     = regexp.MustCompile(`ID@\S+:\d+`)
	ofID         = regexp.MustCompile(`\b[0-9a-f]{8,}\b`)
)

// plain returns a cause without what differs between two ends of one kind, so that equal ones
// can be counted.
func plain(cause string) string {
	cause = ofConnection.ReplaceAllString(cause, "")
	cause = ofSize.ReplaceAllString(cause, "N $3")
	cause = ofClaim.ReplaceAllString(cause, "$1 N")
	return ofRemote.ReplaceAllString(ofID.ReplaceAllString(cause, "ID"), "ID")
}

// refusals are the words with which a node names what it refuses whatever the connection is
// for: limits of handshakes, peers, addresses, and bans.
var refusals = []string{
	"too many handshakes in progress", "too many attempts from this address", "too many peers", "too many inbound peers",
	"banned", "address not in the allowed networks",
}

// Ends is how often connections ended for one cause.
type Ends struct {
	Cause string `json:"cause"` // in the node's words, without addresses and sizes
	Count int    `json:"count"`
	Named bool   `json:"named"` // the words name what the attacker did, or the limit that it met
}

// tally counts causes.
type tally map[string]int

// ends lists the causes, the most frequent first. words are those that name the attack.
func (t tally) ends(words []string) []Ends {
	var list []Ends
	for cause, n := range t {
		list = append(list, Ends{Cause: cause, Count: n, Named: contains(cause, words) || contains(cause, refusals)})
	}
	slices.SortFunc(list, func(a, b Ends) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Cause, b.Cause))
	})
	return list
}

func contains(cause string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(cause, w) })
}
