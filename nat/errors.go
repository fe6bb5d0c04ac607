package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// Cause is the meaning of an [Error], independent of the protocol's own number for it.
type Cause uint8

const (
	Other         Cause = iota
	NoAnswer            // no answer before the deadline
	Unreachable         // the router's port is closed, or there is no route to it
	Garbage             // an answer that does not parse
	Refused             // the router refuses, and will refuse again
	Busy                // the router refuses for now
	PortInUse           // the port belongs to another host
	OnlyPermanent       // the router supports no leases that end
	NoMapping           // the router has no such mapping, or it belongs to another host
	NotPublic           // the router's own address can't be reached from the Internet
	Unsupported         // the router does not support this call
	BadArgument         // the router rejects an argument, and does not say which
	Failed              // the action failed in the router, which does not say why
	Denied              // the router does not allow this port, or this host
	SamePort            // the router maps a port only to the same port
	OnlyAnyPort         // the router accepts no specific port
)

// Error is a failed operation at a router, with a text that an operator understands.
type Error struct {
	Method Method
	Router string
	Op     string // the operation: "map TCP 30303", "external address", …
	Code   int    // the protocol's number; 0 if the router gave none
	Cause  Cause
	Words  string
	Err    error // the library's error, if there is one
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Method))
	if e.Router != "" {
		b.WriteString(" " + e.Router)
	}
	if e.Op != "" {
		b.WriteString(": " + e.Op)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, ": error %d", e.Code)
	}
	if e.Words != "" {
		b.WriteString(": " + e.Words)
	}
	return b.String()
}

// Unwrap returns the library's error.
func (e *Error) Unwrap() error { return e.Err }

// causeOf returns the Cause of err, which is Other if err contains no *Error.
func causeOf(err error) Cause {
	if e, ok := asError(err); ok {
		return e.Cause
	}
	return Other
}

// asError returns the *Error in err's chain.
func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// ioError returns cause and text of a network error. They are the same for all protocols.
func ioError(err error) (Cause, string) {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return NoAnswer, "cancelled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return NoAnswer, "no answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return Unreachable, "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return Unreachable, "no route to the router: " + line(err.Error())
	}
	return Other, line(err.Error())
}

// maxLine bounds the length, in characters, of a text that comes from a router.
const maxLine = 120

// line makes an untrusted text safe to print: one line, no control characters, at most maxLine
// characters.
func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxLine {
		s = string(r[:maxLine-1]) + "…"
	}
	return s
}

// words is a protocol's table of result codes.
type words map[int]struct {
	cause Cause
	text  string
}

// explain returns cause and text for a result code. said is the router's own text, used for an
// unknown code.
func (w words) explain(code int, said string) (Cause, string) {
	if e, ok := w[code]; ok {
		return e.cause, e.text
	}
	if said = line(said); said != "" {
		return Other, said
	}
	return Other, "unknown error code"
}

// upnpWords contains the errors of UPnP Device Architecture §3.3.2 and of WANIPConnection:1 and :2.
var upnpWords = words{
	401: {Unsupported, "the router doesn't support this action"},
	402: {BadArgument, "the router rejects the arguments"},
	501: {Failed, "the action failed in the router"},
	600: {BadArgument, "the router rejects the value of an argument"},
	601: {BadArgument, "an argument is out of the router's range"},
	602: {Unsupported, "the router doesn't have this action"},
	603: {Busy, "the router is out of memory"},
	604: {Refused, "the router requires confirmation by a person"},
	605: {Refused, "a string is too long for the router"},
	606: {Denied, "the router doesn't allow this action"},
	701: {Busy, "the router's connection is not up"},
	713: {NoMapping, "no such entry in the router's list"},
	714: {NoMapping, "the router has no such mapping"},
	715: {Refused, "the router requires a source address for each mapping"},
	716: {Refused, "the router accepts no wildcard for the external port"},
	718: {PortInUse, "the port is in use by another host or service"},
	724: {SamePort, "the router requires external and internal port to be equal"},
	725: {OnlyPermanent, "the router supports permanent mappings only"},
	726: {Refused, "the router accepts no source address"},
	727: {OnlyAnyPort, "the router accepts no specific external port"},
	728: {Busy, "the router's table of mappings is full"},
	729: {PortInUse, "the port is used by another mechanism of the router"},
	732: {Refused, "the router accepts no wildcard for the internal port"},
}

// pmpWords contains the result codes of RFC 6886 §3.5.
var pmpWords = words{
	1: {Unsupported, "the router doesn't support this version"},
	2: {Refused, "mapping is disabled in the router, or this host is not allowed to map"},
	3: {Busy, "the router has no connection to the Internet"},
	4: {Busy, "the router is out of resources"},
	5: {Unsupported, "the router doesn't support this request"},
}

// pcpWords contains the result codes of RFC 6887 §7.4.
var pcpWords = words{
	1:  {Unsupported, "the router doesn't support this version"},
	2:  {Refused, "mapping is disabled in the router, or this host is not allowed to map"},
	3:  {Refused, "the router can't parse the request"},
	4:  {Unsupported, "the router doesn't support this request"},
	5:  {Unsupported, "the router doesn't support an option"},
	6:  {Refused, "the router can't parse an option"},
	7:  {Busy, "the router has no connection to the Internet"},
	8:  {Busy, "the router is out of resources"},
	9:  {Refused, "the router doesn't map this protocol"},
	10: {Busy, "this host has reached the router's limit of mappings"},
	11: {PortInUse, "the router can't provide the requested external port"},
	12: {Refused, "there is another NAT between this node and the router"},
	13: {Refused, "too many filters"},
}
