package protocols

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/rlp"
)

// checkType returns why a T cannot be a message. It checks only the type, with a nil pointer and
// without input, because the zero T need not be a valid message, nor decode again.
func checkType[T any]() error {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		return errors.New("it is a pointer: declare the message without it, it is delivered as a pointer")
	}
	if _, err := rlp.EncodeToBytes((*T)(nil)); err != nil {
		return err
	}
	if err := checkDepth(t, nil); err != nil {
		return err
	}
	if decodesItself(t) {
		return nil // without input it would run the protocol's own code
	}
	if err := rlp.DecodeBytes(nil, new(T)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// checkDepth refuses types whose depth the remote would choose. RLP decodes them by recursion,
// and a message of 16 MiB can nest four million lists: more than a goroutine's stack holds, whose
// overflow ends the process.
func checkDepth(t reflect.Type, above []reflect.Type) error {
	if decodesItself(t) || t == reflect.TypeFor[big.Int]() { // RLP decodes big.Int without recursion
		return nil
	}
	if slices.Contains(above, t) {
		return fmt.Errorf("%v contains itself, so a remote could nest it without end: use Raw, or a DecodeRLP that limits the depth", t)
	}
	above = append(slices.Clip(above), t)
	switch t.Kind() {
	case reflect.Interface:
		return fmt.Errorf("%v accepts lists that a remote could nest without end: use a type of known depth, or rlp.RawValue", t)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return checkDepth(t.Elem(), above)
	case reflect.Struct:
		return checkFields(t, above)
	}
	return nil
}

func checkFields(t reflect.Type, above []reflect.Type) error {
	exported := false
	for f := range t.Fields() {
		exported = exported || f.IsExported()
		if !f.IsExported() || ignoredField(f) {
			continue
		}
		if err := checkDepth(f.Type, above); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	if t.NumField() > 0 && !exported {
		return fmt.Errorf("%v has no exported field, so RLP would encode nothing", t)
	}
	return nil
}

// ignoredField reports whether RLP ignores the field.
func ignoredField(f reflect.StructField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("rlp"), ","), "-")
}

func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[rlp.Decoder]())
}
