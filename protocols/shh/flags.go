package shh

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
)

// maxPool is the largest limit of the pool that a flag accepts.
const maxPool = 1<<31 - 1

// newFlags returns the flags of w. Their defaults are the limits in its Config. They must be
// set before a node runs w: a change is not announced to peers. shh.pow and shh.maxmessagesize
// have the names and meanings that go-ethereum v1.8 gave them.
func newFlags(w *Whisper) *flag.FlagSet {
	flags := flag.NewFlagSet("shh", flag.ContinueOnError)
	flags.Var(setting[float64]{w, &w.demand.minPoW, parsePoW}, "shh.pow",
		"minimum proof of work (`POW`) of messages that the node accepts and relays; 0 accepts all")
	flags.Var(setting[int]{w, &w.demand.maxSize, upTo(MaxMessageSize)}, "shh.maxmessagesize",
		"maximum size of a message, in `BYTES`")
	flags.Var(setting[bool]{w, &w.light, strconv.ParseBool}, "shh.light",
		"relay only messages that are posted on this node")
	flags.Var(setting[int]{w, &w.pool.maxBytes, upTo(maxPool)}, "shh.poolbytes",
		"maximum size of all messages that the node keeps to relay them, in `BYTES`")
	flags.Var(setting[int]{w, &w.pool.maxCount, upTo(maxPool)}, "shh.poolenvelopes",
		"maximum `NUMBER` of messages that the node keeps to relay them")
	return flags
}

func parsePoW(s string) (float64, error) {
	pow, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, err
	}
	return powRequirement(pow).value()
}

// upTo returns a parser of positive numbers.
func upTo(most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil {
			return 0, err
		}
		if n < 1 || n > most {
			return 0, fmt.Errorf("want 1 to %d", most)
		}
		return n, nil
	}
}

// setting is the value of a flag. It is a field of a Whisper, whose lock guards it.
type setting[T any] struct {
	w     *Whisper
	field *T
	parse func(string) (T, error)
}

// String implements flag.Value. Package flag calls it on the zero value, too.
func (s setting[T]) String() string {
	if s.w == nil {
		return ""
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return fmt.Sprint(*s.field)
}

// Set implements flag.Value.
func (s setting[T]) Set(text string) error {
	value, err := s.parse(text)
	if err != nil {
		var syntax *strconv.NumError
		if errors.As(err, &syntax) {
			return syntax.Err // without the name of the function
		}
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	*s.field = value
	return nil
}

// IsBoolFlag makes the value of a switch optional, as package flag describes.
func (s setting[T]) IsBoolFlag() bool {
	_, ok := any(s.field).(*bool)
	return ok
}
