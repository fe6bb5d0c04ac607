package admin

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Error codes of JSON-RPC 2.0.
const codeNotJSON, codeInvalid = -32700, -32600

// problem is an error that this package answers in place of package rpc. All transports answer
// it with the same text.
type problem struct {
	code    int
	message string
	id      json.RawMessage // of the call; nil: unknown
	batched bool            // the answer is a batch, as the text was
}

// Problems that a carrier meets while it reads a text.
var (
	errTooLarge = &problem{code: codeInvalid, message: fmt.Sprintf("text of more than %d bytes", maxText)}
	errSlow     = &problem{code: codeInvalid, message: fmt.Sprintf(
		"the rest of the text did not come: want a byte every %v, and all of it within %v", silence, textTimeout)}
)

func tooManySubscriptions(id json.RawMessage) *problem {
	return &problem{code: codeInvalid, message: fmt.Sprintf("too many subscriptions: a connection may make %d", maxSubscriptions), id: id}
}

func tooManyConnections() *problem {
	return &problem{
		code:    codeInvalid,
		message: fmt.Sprintf("too many connections: %d are open, and each waits for an answer or an event", maxConns),
	}
}

func (p *problem) Error() string { return p.message }

// answer returns the text to send.
func (p *problem) answer() []byte {
	type failure struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	type response struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   failure         `json:"error"`
	}
	r := response{"2.0", p.id, failure{p.code, p.message}}
	if r.ID == nil {
		r.ID = json.RawMessage("null")
	}
	var v any = r
	if p.batched {
		v = []response{r}
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: an ID is a part of a valid text
	}
	return text
}

// notJSON returns why a text is not valid JSON, nil if it is. It counts bytes from the first one
// that is not space: on a socket, a text has no other beginning.
func notJSON(text []byte) *problem {
	text = withoutSpace(text)
	if json.Valid(text) {
		return nil
	}
	var raw json.RawMessage
	err := json.Unmarshal(text, &raw) // says where
	p := &problem{code: codeNotJSON, message: fmt.Sprintf("parse error: %v", err)}
	if at := new(json.SyntaxError); errors.As(err, &at) {
		p.message = fmt.Sprintf("parse error at byte %d: %v", at.Offset, err)
	}
	return p
}
