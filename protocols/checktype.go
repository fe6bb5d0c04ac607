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

// checkType says why a T can't be a message. It looks at the type alone, with a nil
// pointer and without input: a zero T need not be a valid message, and need not
// decode again.
func checkType[T any]() error {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer {
		return errors.New("a message is given without the pointer by which it is delivered")
	}
	if _, err := rlp.EncodeToBytes((*T)(nil)); err != nil {
		return err
	}
	if err := checkDepth(t, nil); err != nil {
		return err
	}
	if decodesItself(t) {
		return nil // without input it would run the author's code
	}
	if err := rlp.DecodeBytes(nil, new(T)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// checkDepth refuses types whose depth the remote would choose. RLP decodes them by
// recursion, and a message of 16 MiB has room for four million lists within each
// other: more than a goroutine's stack, whose overflow ends the process.
func checkDepth(t reflect.Type, above []reflect.Type) error {
	if decodesItself(t) || t == reflect.TypeFor[big.Int]() { // which RLP has a way of its own for
		return nil
	}
	if slices.Contains(above, t) {
		return fmt.Errorf("%v contains itself, so that the remote could nest it without end: use Raw, or give it a DecodeRLP that counts", t)
	}
	above = append(slices.Clip(above), t)
	switch t.Kind() {
	case reflect.Interface:
		return fmt.Errorf("%v takes lists that the remote could nest without end: use a type of known shape, or rlp.RawValue", t)
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
		return fmt.Errorf("%v has no exported field, so that RLP would send nothing of it", t)
	}
	return nil
}

// ignoredField says whether RLP passes over the field.
func ignoredField(f reflect.StructField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("rlp"), ","), "-")
}

func decodesItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[rlp.Decoder]())
}
