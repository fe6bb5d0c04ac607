package protocols_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/troupe-p2p/troupe/protocols"
)

func TestVersionDecode(t *testing.T) {
	v := protocols.Version{Number: 3, Length: 9, Messages: []protocols.Message{
		protocols.Type[ask](), protocols.Raw(), protocols.Ignore(), protocols.Type[text](protocols.MaxSize(4), protocols.MaxItems(2)),
	}}
	var limit *protocols.LimitError
	for name, c := range map[string]struct {
		code    uint64
		payload []byte
		want    any // nil: an error is expected
		limited bool
	}{
		"typed":          {0, []byte{0xc1, 0x05}, &ask{N: 5}, false},
		"raw":            {1, []byte{0xc0}, &protocols.RawMessage{Code: 1, Payload: []byte{0xc0}}, false},
		"ignored":        {2, []byte{0xc0}, &protocols.RawMessage{Code: 2, Payload: []byte{0xc0}}, false},
		"not defined":    {4, []byte{0xc0}, nil, false},
		"other bytes":    {0, []byte{0xc2, 0x05, 0x05}, nil, false},
		"too large":      {3, []byte{0xc4, 1, 2, 3, 4}, nil, true},
		"too many items": {3, []byte{0xc2, 1, 2}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := v.Decode(c.code, c.payload)
			if (err == nil) != (c.want != nil) || c.want != nil && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
			if errors.As(err, &limit) != c.limited {
				t.Errorf("the error is %v", err)
			}
		})
	}
	payload := []byte{0xc1, 0x07}
	got, err := v.Decode(1, payload)
	if payload[1] = 9; err != nil || got.(*protocols.RawMessage).Payload[1] != 7 {
		t.Error("the payload is not a copy")
	}
}
