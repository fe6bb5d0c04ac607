package asynclog

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
)

// attrBytes is about the size of an attribute without its texts.
const attrBytes = 64

// freeze returns an attribute that no later change of its value concerns, and its size in bytes.
// Errors and values without pointers stay as they are. Other values are formatted, as slog's own
// handlers would format them.
func freeze(a slog.Attr) (slog.Attr, int) {
	value, size := freezeValue(a.Value.Resolve())
	return slog.Attr{Key: a.Key, Value: value}, attrBytes + len(a.Key) + size
}

func freezeValue(v slog.Value) (slog.Value, int) {
	switch v.Kind() {
	case slog.KindString:
		return v, len(v.String())
	case slog.KindGroup:
		size := 0
		attrs := make([]slog.Attr, 0, len(v.Group()))
		for _, a := range v.Group() {
			frozen, bytes := freeze(a)
			attrs = append(attrs, frozen)
			size += bytes
		}
		return slog.GroupValue(attrs...), size
	case slog.KindAny:
		return freezeAny(v)
	}
	return v, 0
}

func freezeAny(v slog.Value) (slog.Value, int) {
	switch x := v.Any().(type) {
	case nil, netip.Addr, netip.AddrPort, netip.Prefix, *slog.Source:
		return v, 0
	case error:
		return v, len(textOf(x))
	case []byte:
		return slog.AnyValue(bytes.Clone(x)), len(x)
	default:
		if t := reflect.TypeOf(x); plain(t) {
			return v, int(t.Size())
		}
		f := format(x)
		return slog.AnyValue(f), len(f.text) + len(f.json)
	}
}

// textOf returns the text of an error, which may be a nil pointer.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	return err.Error()
}

// plain reports whether values of a type have no pointers, so that a copy shares nothing with the
// original. A string counts as plain.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return plain(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !plain(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.UnsafePointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
		return false
	}
	return true
}

// formatted is a value in the forms that handlers print.
type formatted struct {
	text string
	json []byte // nil: it has no JSON form
}

func format(x any) (f formatted) {
	if m, ok := x.(encoding.TextMarshaler); ok {
		if text, err := marshal(m.MarshalText); err == nil {
			f.text = string(text)
		} else {
			f.text = "!ERROR:" + err.Error()
		}
	} else {
		f.text = fmt.Sprintf("%+v", x) // recovers panics of x
	}
	// A failure is what slog's handler would have met: the text stands for the value then.
	f.json, _ = marshal(func() ([]byte, error) { return json.Marshal(x) })
	return f
}

// marshal calls a method of a foreign value, which may panic, as for a nil pointer.
func marshal(f func() ([]byte, error)) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// String implements fmt.Stringer.
func (f formatted) String() string { return f.text }

// MarshalText implements encoding.TextMarshaler.
func (f formatted) MarshalText() ([]byte, error) { return []byte(f.text), nil }

// MarshalJSON implements json.Marshaler.
func (f formatted) MarshalJSON() ([]byte, error) {
	if f.json == nil {
		return json.Marshal(f.text)
	}
	return f.json, nil
}
