package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// asked is what a text asks of package rpc.
type asked struct {
	text          []byte          // for package rpc; nil if nothing in it wants an answer
	subscriptions int             // that it makes
	id            json.RawMessage // of the first call
}

// judge decides what to do with a text that was read as a whole: a call or a batch. The problem,
// if there is one, is the answer. What it returns has no calls without an ID, which package
// rpc would run without an answer, so that a stream could not count them. An empty text asks for
// nothing.
func judge(text []byte) (asked, *problem) {
	text = withoutSpace(text)
	if len(text) == 0 {
		return asked{}, nil
	}
	if p := notJSON(text); p != nil {
		return asked{}, p
	}
	if text[0] != '[' {
		var r asked
		if m := parseMessage(text); m.wantsAnswer() {
			r.text = text
			r.add(m)
		}
		return r, nil
	}
	return judgeBatch(text)
}

func judgeBatch(text []byte) (r asked, p *problem) {
	var (
		kept []json.RawMessage
		read int
	)
	elements := json.NewDecoder(bytes.NewReader(text))
	_, err := elements.Token() // the bracket
	for ; err == nil && elements.More(); read++ {
		var element json.RawMessage
		if err = elements.Decode(&element); err != nil {
			break
		}
		m := parseMessage(element)
		if m.wantsAnswer() {
			kept = append(kept, element)
			r.add(m)
		}
		if read == maxBatch { // read no more, because each element takes memory
			return asked{}, &problem{code: codeInvalid, message: "batch too large", id: r.id, batched: true}
		}
	}
	switch {
	case err != nil: // impossible: the text is valid
		return asked{}, &problem{code: codeNotJSON, message: fmt.Sprintf("parse error: %v", err)}
	case len(kept) == read:
		r.text = text
	case len(kept) > 0:
		r.text = append(append([]byte("["), join(kept)...), ']')
	}
	return r, nil
}

func join(texts []json.RawMessage) []byte {
	all := make([][]byte, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return bytes.Join(all, []byte(","))
}

// add counts a message that wants an answer.
func (r *asked) add(m message) {
	if !m.isCall() {
		return
	}
	if r.id == nil {
		r.id = m.id
	}
	if strings.HasSuffix(m.method, "_subscribe") {
		r.subscriptions++
	}
}

// message is one message of a text. Its fields and methods are those of package rpc.
type message struct {
	version, method           string
	id, params, result, error json.RawMessage
}

// parseMessage reads a valid JSON value as package rpc does: names are case-sensitive, the last
// field of a name counts, and a value that is no object has no fields.
func parseMessage(text []byte) (m message) {
	if text[0] != '{' {
		return m
	}
	fields := json.NewDecoder(bytes.NewReader(text))
	_, err := fields.Token() // the brace
	for err == nil && fields.More() {
		var (
			name json.Token
			v    json.RawMessage
		)
		if name, err = fields.Token(); err == nil {
			err = fields.Decode(&v) // never fails: the value is valid
		}
		switch name {
		case "jsonrpc":
			_ = json.Unmarshal(v, &m.version) // any other type is no version
		case "method":
			_ = json.Unmarshal(v, &m.method)
		case "id":
			m.id = v
		case "params":
			m.params = v
		case "result":
			m.result = v
		case "error":
			m.error = v
		}
	}
	return m
}

func (m message) hasVersion() bool { return m.version == "2.0" }
func (m message) hasID() bool      { return len(m.id) > 0 && m.id[0] != '{' && m.id[0] != '[' }
func (m message) isCall() bool     { return m.hasVersion() && m.hasID() && m.method != "" }

// wantsAnswer reports whether package rpc answers the message: it is a call, or invalid. It is
// neither a call without an ID nor an answer.
func (m message) wantsAnswer() bool {
	silent := m.hasVersion() && m.id == nil && m.method != ""
	answer := m.hasVersion() && m.hasID() && m.method == "" && m.params == nil && (m.result != nil || m.error != nil)
	return !silent && !answer
}
