package ask

import "errors"

// Why a want is given up, or not taken.
var (
	ErrWant     = errors.New("invalid want")
	ErrFull     = errors.New("too much is wanted already")
	ErrNoPeer   = errors.New("no peer can be asked")
	ErrPeerLeft = errors.New("the peer has left")
	ErrLacking  = errors.New("the peers that were asked do not have it")
	ErrTimeout  = errors.New("no answer in time")
	ErrWrong    = errors.New("a wrong answer")
)

// Why a peer is closed, besides the errors of package verify.
var (
	ErrUnasked   = errors.New("an answer to no request")
	ErrWrongKind = errors.New("an answer of another kind than the request")
	ErrTooMany   = errors.New("an answer with more items than were asked for")
	ErrSilent    = errors.New("no request was answered")
)
