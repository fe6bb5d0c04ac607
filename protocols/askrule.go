package protocols

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/ethereum/go-ethereum/rlp"
)

// Answers declares the message as the answer to a Q, another message of the version. The first
// field of both is a uint64, the request ID that links an answer to its request (as in eth/66 and
// later: EIP-2481):
//
//	protocols.Type[GetBlocks](),
//	protocols.Type[Blocks](protocols.Answers[GetBlocks]()),
//
// Requests are sent with [Link.Ask], [AskThen] or [Call]. An answer reaches the actor only if its
// request is waiting; others are counted and dropped without being decoded, or end the link
// (Spec.OnlyAsked). An answer of another type than the request expects is a protocol error. The
// receiver of a request answers with [Link.Send] and puts the request's ID into the first field.
func Answers[Q any]() MessageOption {
	return func(m *Message) { m.answers = reflect.TypeFor[Q]() }
}

// askRule is the rule of a version for one type of request.
type askRule struct {
	typ        reflect.Type // of the request
	answer     reflect.Type
	answerCode uint64
	field      int // index of the request's ID
}

// stamp returns a copy of the request with the ID in it.
func (r *askRule) stamp(request any, id uint64) any {
	stamped := reflect.New(r.typ)
	stamped.Elem().Set(reflect.Indirect(reflect.ValueOf(request)))
	stamped.Elem().Field(r.field).SetUint(id)
	return stamped.Interface()
}

// askRule returns the rule for a request. sample is nil or a pointer to the type of answer that
// the caller expects.
func (s *messageSet) askRule(request, sample any) (*askRule, error) {
	t := reflect.TypeOf(request)
	if t != nil && t.Kind() == reflect.Pointer {
		if reflect.ValueOf(request).IsNil() {
			return nil, fmt.Errorf("ask %T of %s: nil pointer", request, s.label)
		}
		t = t.Elem()
	}
	rule := s.asks[t]
	if rule == nil {
		if _, ok := s.codes[t]; !ok {
			return nil, &UnknownTypeError{Protocol: s.label, Type: fmt.Sprintf("%T", request)}
		}
		return nil, fmt.Errorf("ask %T of %s: no message has the option Answers for it", request, s.label)
	}
	if sample != nil && reflect.TypeOf(sample).Elem() != rule.answer {
		return nil, fmt.Errorf("ask %T of %s: the answer is %v, not %v", request, s.label, rule.answer, reflect.TypeOf(sample).Elem())
	}
	return rule, nil
}

// addAsks sets the rules of the version's requests.
func (s *messageSet) addAsks() {
	for code, m := range s.messages {
		if m.answers == nil {
			continue
		}
		if s.asks == nil {
			s.asks = map[reflect.Type]*askRule{}
		}
		s.asks[m.answers] = &askRule{
			typ: m.answers, answer: m.typ, answerCode: uint64(code), field: idField(m.answers),
		}
	}
}

// checkAnswers returns an error if an answer does not fit its request.
func checkAnswers(messages []Message, codes map[reflect.Type]int) error {
	asked := map[reflect.Type]int{}
	for code, m := range messages {
		if m.answers == nil {
			continue
		}
		if m.kind != typed {
			return fmt.Errorf("message 0x%02x: Answers is for messages that are decoded, not for Raw", code)
		}
		if _, ok := codes[m.answers]; !ok {
			return fmt.Errorf("message 0x%02x answers %v, which is not in Messages", code, m.answers)
		}
		if first, ok := asked[m.answers]; ok {
			return fmt.Errorf("messages 0x%02x and 0x%02x both answer %v", first, code, m.answers)
		}
		asked[m.answers] = code
		for _, t := range []reflect.Type{m.answers, m.typ} {
			if err := checkID(t); err != nil {
				return fmt.Errorf("message 0x%02x answers %v: %v %w", code, m.answers, t, err)
			}
		}
	}
	return nil
}

func checkID(t reflect.Type) error {
	if decodesItself(t) {
		return errors.New("has its own DecodeRLP, so its request ID is unknown")
	}
	if t.Kind() != reflect.Struct || idField(t) < 0 || t.Field(idField(t)).Type.Kind() != reflect.Uint64 {
		return errors.New("must be a struct whose first field is a uint64, the request ID")
	}
	return nil
}

// idField returns the index of the first field of a struct that RLP encodes, -1 if there is none.
func idField(t reflect.Type) int {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && !ignoredField(f) {
			return i
		}
	}
	return -1
}

// requestID reads the ID of an answer that is not decoded yet.
func requestID(payload []byte) (uint64, error) {
	content, _, err := rlp.SplitList(payload)
	if err != nil {
		return 0, err
	}
	id, _, err := rlp.SplitUint64(content)
	if err != nil {
		return 0, fmt.Errorf("request ID: %w", err)
	}
	return id, nil
}
