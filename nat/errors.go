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

// Cause is what an [Error] means to us, whatever number the protocol has for it.
type Cause uint8

const (
	Other         Cause = iota
	NoAnswer            // nothing came before the deadline
	Unreachable         // the router's port is closed, or there is no way to it
	Garbage             // an answer that doesn't parse
	Refused             // the router says no, and will say it again
	Busy                // the router says not now
	PortInUse           // the port is somebody else's
	OnlyPermanent       // leases that end are not known here
	NoMapping           // the router has no such mapping, or it is somebody else's
	NotPublic           // the router's own address can't be reached from the Internet
	Unsupported         // the router doesn't know this call
)

// Error is what went wrong with a router, in words that an operator understands.
type Error struct {
	Method Method
	Router string
	Op     string // what we wanted: "map TCP 30303", "external address", …
	Code   int    // the protocol's number; 0 if the router gave none
	Cause  Cause
	Words  string
	Err    error // what the library said, if that is where it comes from
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

// Unwrap gives the library's error.
func (e *Error) Unwrap() error { return e.Err }

// causeOf is the cause of any error.
func causeOf(err error) Cause {
	if e, ok := asError(err); ok {
		return e.Cause
	}
	return Other
}

// asError finds our own error in any.
func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// ioError describes an error of the network, which is the same for all protocols.
func ioError(err error) (Cause, string) {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return NoAnswer, "given up"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return NoAnswer, "no answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return Unreachable, "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return Unreachable, "no way to it: " + line(err.Error())
	}
	return Other, line(err.Error())
}

// maxLine bounds what a router's words can do to a log.
const maxLine = 120

// line makes text from outside fit to print: one line, no control characters, not long.
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

// explain gives cause and words for a result code.
func (w words) explain(code int, said string) (Cause, string) {
	if e, ok := w[code]; ok {
		return e.cause, e.text
	}
	if said = line(said); said != "" {
		return Other, said
	}
	return Other, "unknown to us"
}

// upnpWords are the errors of UPnP Device Architecture §3.3.2 and of WANIPConnection:1
// and :2.
var upnpWords = words{
	401: {Unsupported, "the router doesn't know this action"},
	402: {Refused, "the router doesn't like the arguments"},
	501: {Busy, "the router says that the action failed"},
	600: {Refused, "the router doesn't like an argument's value"},
	601: {Refused, "an argument is out of the router's range"},
	602: {Unsupported, "the router doesn't have this action"},
	603: {Busy, "the router is out of memory"},
	604: {Refused, "the router wants a person to confirm"},
	605: {Refused, "a string is too long for the router"},
	606: {Refused, "the router doesn't allow us to do this"},
	701: {Busy, "the router's connection is not up"},
	713: {NoMapping, "no such entry in the router's list"},
	714: {NoMapping, "the router has no such mapping"},
	715: {Refused, "the router wants a source address for each mapping"},
	716: {Refused, "the router doesn't let the external port be chosen"},
	718: {PortInUse, "the port is in use by another host or service"},
	724: {Refused, "the router wants external and internal port to be equal"},
	725: {OnlyPermanent, "the router knows permanent mappings only"},
	726: {Refused, "the router wants no source address"},
	727: {Refused, "the router wants no external port"},
	728: {Busy, "the router's table of mappings is full"},
	729: {PortInUse, "the port belongs to another mechanism of the router"},
	732: {Refused, "the router doesn't take a wildcard for the internal port"},
}

// pmpWords are the result codes of RFC 6886 §3.5.
var pmpWords = words{
	1: {Unsupported, "the router doesn't speak this version"},
	2: {Refused, "mapping is switched off in the router, or refused to us"},
	3: {Busy, "the router has no connection to the Internet"},
	4: {Busy, "the router is out of resources"},
	5: {Unsupported, "the router doesn't know this request"},
}

// pcpWords are the result codes of RFC 6887 §7.4.
var pcpWords = words{
	1:  {Unsupported, "the router doesn't speak this version"},
	2:  {Refused, "mapping is switched off in the router, or refused to us"},
	3:  {Refused, "the router can't parse the request"},
	4:  {Unsupported, "the router doesn't know this request"},
	5:  {Unsupported, "the router doesn't know an option"},
	6:  {Refused, "the router can't parse an option"},
	7:  {Busy, "the router has no connection to the Internet"},
	8:  {Busy, "the router is out of resources"},
	9:  {Refused, "the router doesn't map this protocol"},
	10: {Busy, "we have as many mappings as the router allows"},
	11: {PortInUse, "the router can't give the port that was asked for"},
	12: {Refused, "another NAT stands between us and the router"},
	13: {Refused, "too many filters"},
}
