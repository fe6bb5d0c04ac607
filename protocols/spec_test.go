package protocols_test

import (
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/troupe-p2p/troupe/actors"
	"github.com/troupe-p2p/troupe/protocols"
)

type (
	ask    struct{ N uint64 }
	answer struct{ N uint64 }

	tree     struct{ Kids []tree }
	chain    struct{ Next *chain }
	anything struct{ Value any }
	words    struct{ Value fmt.Stringer }
	signed   struct{ N int }
	nested   struct {
		Deep []struct{ Map map[string]uint64 }
	}
	early struct {
		A uint64 `rlp:"optional"`
		B uint64
	}
	local struct {
		N     uint64
		Cache map[string]any `rlp:"-"`
	}
	wide struct {
		Amount *big.Int
		Rest   []rlp.RawValue `rlp:"tail"`
	}
	sealed struct{ inner map[string]int }

	hidden   struct{ _ uint64 }
	inside   struct{ H hidden }
	weighed  struct{ Kilos float64 }
	calling  struct{ Back func() }
	backward struct {
		Rest []uint64 `rlp:"tail"`
		N    uint64
	}
	onlyOut struct{ M map[string]int }
	onlyIn  struct{ M map[string]int }
	byValue struct{ n uint64 }
)

func (onlyOut) EncodeRLP(w io.Writer) error        { return rlp.Encode(w, uint64(1)) }
func (o *onlyIn) DecodeRLP(from *rlp.Stream) error { _, err := from.Uint64(); return err }
func (v byValue) EncodeRLP(w io.Writer) error      { return rlp.Encode(w, v.n) }
func (v *byValue) DecodeRLP(from *rlp.Stream) error {
	var err error
	v.n, err = from.Uint64()
	return err
}

func (s *sealed) EncodeRLP(w io.Writer) error      { return rlp.Encode(w, uint64(len(s.inner))) }
func (s *sealed) DecodeRLP(from *rlp.Stream) error { _, err := from.Uint64(); return err }

type idleActor struct{}

func (idleActor) Receive(actor.Context) {}

// specOf is a valid Spec to start from.
func specOf(messages ...protocols.Message) protocols.Spec {
	return protocols.Spec{
		Name:     "talk",
		Versions: []protocols.Version{{Number: 7, Length: 8, Messages: messages}},
		New:      func() actor.Actor { return idleActor{} },
	}
}

func with(s protocols.Spec, edit func(*protocols.Spec)) protocols.Spec {
	edit(&s)
	return s
}

func TestCheckRefuses(t *testing.T) {
	good := specOf(protocols.Type[ask]())
	named := func(name string) protocols.Spec {
		return with(good, func(s *protocols.Spec) { s.Name = name })
	}
	limited := func(l protocols.Limits) protocols.Spec {
		return with(good, func(s *protocols.Spec) { s.Limits = l })
	}
	shaken := func(h *protocols.Handshake) protocols.Spec {
		s := specOf(protocols.Type[ask]())
		s.Versions[0].Handshake = h
		return s
	}
	one := func(m protocols.Message) protocols.Spec { return specOf(protocols.Ignore(), m) }
	for name, c := range map[string]struct {
		spec protocols.Spec
		want []string // texts that the error must contain
	}{
		"negative StopTimeout": {with(good, func(s *protocols.Spec) { s.StopTimeout = -1 }), []string{"StopTimeout", "0 to 10s"}},
		"long StopTimeout":     {with(good, func(s *protocols.Spec) { s.StopTimeout = 11 * time.Second }), []string{"StopTimeout", "0 to 10s"}},

		"no name":          {named(""), []string{"one to eight"}},
		"long name":        {named("ninechars"), []string{"ninechars", "one to eight"}},
		"space in name":    {named("a b"), []string{`"a b"`, `' '`}},
		"name not ASCII":   {named("grüße"), []string{"not allowed"}},
		"slash in name":    {named("a/b"), []string{`'/'`}},
		"name of the link": {named("pinger"), []string{"pinger", "reserved"}},
		"no New":           {with(good, func(s *protocols.Spec) { s.New = nil }), []string{"talk", "New"}},
		"no version":       {with(good, func(s *protocols.Spec) { s.Versions = nil }), []string{"talk", "no version"}},
		"version twice":    {with(good, func(s *protocols.Spec) { s.Versions = append(s.Versions[:1:1], s.Versions[0]) }), []string{"talk/7", "twice"}},
		"no length":        {with(good, func(s *protocols.Spec) { s.Versions = []protocols.Version{{Number: 3}} }), []string{"talk/3", "Length"}},
		"short length": {with(good, func(s *protocols.Spec) {
			s.Versions = []protocols.Version{{Length: 1, Messages: []protocols.Message{protocols.Raw(), protocols.Raw()}}}
		}), []string{"talk/0", "2 messages", "Length of 1"}},
		"negative limit":     {limited(protocols.Limits{Inbound: -1}), []string{"talk", "negative"}},
		"high water on top":  {limited(protocols.Limits{Outbox: 100, HighWater: 101}), []string{"talk", "101", "100"}},
		"empty message":      {one(protocols.Message{}), []string{"talk/7", "0x01", "empty"}},
		"type twice":         {specOf(protocols.Type[ask](), protocols.Raw(), protocols.Type[ask]()), []string{"talk/7", "0x00", "0x02", "ask"}},
		"pointer":            {one(protocols.Type[*ask]()), []string{"talk/7", "0x01", "*protocols_test.ask", "pointer"}},
		"interface":          {one(protocols.Type[any]()), []string{"talk/7", "0x01", "interface"}},
		"signed integer":     {one(protocols.Type[signed]()), []string{"talk/7", "0x01", "signed", "int is not RLP-serializable"}},
		"map further down":   {one(protocols.Type[nested]()), []string{"talk/7", "0x01", "nested", "map[string]uint64"}},
		"channel":            {one(protocols.Type[chan int]()), []string{"talk/7", "0x01", "chan int"}},
		"floating point":     {one(protocols.Type[weighed]()), []string{"talk/7", "0x01", "weighed", "float64", "Kilos"}},
		"function":           {one(protocols.Type[calling]()), []string{"talk/7", "0x01", "calling", "func()", "Back"}},
		"tail in front":      {one(protocols.Type[backward]()), []string{"talk/7", "0x01", "backward", "tail", "Rest"}},
		"no way to decode":   {one(protocols.Type[onlyOut]()), []string{"talk/7", "0x01", "onlyOut", "map[string]int"}},
		"no way to encode":   {one(protocols.Type[onlyIn]()), []string{"talk/7", "0x01", "onlyIn", "map[string]int"}},
		"nothing exported":   {one(protocols.Type[hidden]()), []string{"talk/7", "0x01", "hidden", "no exported field"}},
		"nor further down":   {one(protocols.Type[inside]()), []string{"talk/7", "0x01", "inside", "field H", "hidden", "no exported field"}},
		"length of anything": {with(good, func(s *protocols.Spec) { s.Versions = []protocols.Version{{Number: 3, Length: 1 << 63}} }), []string{"talk/3", "Length of 9223372036854775808"}},
		"bad tag":            {one(protocols.Type[early]()), []string{"talk/7", "0x01", "early", "optional"}},
		"type of any depth":  {one(protocols.Type[tree]()), []string{"talk/7", "0x01", "tree", "field Kids", "contains itself"}},
		"pointer to itself":  {one(protocols.Type[chain]()), []string{"talk/7", "0x01", "chain", "field Next", "contains itself"}},
		"size of nothing":    {one(protocols.Type[ask](protocols.MaxSize(0))), []string{"talk/7", "0x01", "limit"}},
		"negative items":     {one(protocols.Type[ask](protocols.MaxItems(-1))), []string{"talk/7", "0x01", "limit"}},
		"items of raw":       {one(protocols.Raw(protocols.MaxItems(1))), []string{"talk/7", "0x01", "Raw"}},
		"trailing of raw":    {one(protocols.Raw(protocols.TolerateTrailing())), []string{"talk/7", "0x01", "Raw"}},
		"trailing of list":   {one(protocols.Type[[]ask](protocols.TolerateTrailing())), []string{"talk/7", "0x01", "struct", "[]protocols_test.ask"}},
		"trailing, own RLP":  {one(protocols.Type[sealed](protocols.TolerateTrailing())), []string{"talk/7", "0x01", "sealed", "DecodeRLP"}},
		"foreign status":     {shaken(protocols.Exchange(func(*protocols.Link) answer { return answer{} }, nil)), []string{"talk/7", "handshake", "answer"}},
		"silent handshake":   {shaken(protocols.Exchange[ask](nil, nil)), []string{"talk/7", "handshake", "Exchange"}},
		"empty handshake":    {shaken(new(protocols.Handshake)), []string{"talk/7", "handshake", "Exchange"}},
		"hasty handshake":    {shaken(protocols.Exchange(func(*protocols.Link) ask { return ask{} }, nil).Within(-1)), []string{"talk/7", "handshake", "-1ns"}},
		"answer to nothing":  {one(protocols.Type[roots](protocols.Answers[getRoots]())), []string{"talk/7", "0x01", "getRoots", "not in Messages"}},
		"raw answer":         {specOf(protocols.Type[ask](), protocols.Raw(protocols.Answers[ask]())), []string{"talk/7", "0x01", "Raw"}},
		"two answers":        {specOf(protocols.Type[ask](), protocols.Type[answer](protocols.Answers[ask]()), protocols.Type[roots](protocols.Answers[ask]())), []string{"0x01 and 0x02", "ask"}},
		"request without ID": {specOf(protocols.Type[text](), protocols.Type[answer](protocols.Answers[text]())), []string{"0x01 answers", "text must", "first field"}},
		"answer without ID":  {specOf(protocols.Type[ask](), protocols.Type[text](protocols.Answers[ask]())), []string{"0x01 answers", "text must", "first field"}},
		"answer is a list":   {specOf(protocols.Type[ask](), protocols.Type[[]answer](protocols.Answers[ask]())), []string{"0x01 answers", "[]protocols_test.answer must"}},
		"answer, own RLP":    {specOf(protocols.Type[ask](), protocols.Type[sealed](protocols.Answers[ask]())), []string{"0x01 answers", "sealed", "DecodeRLP"}},
		"negative asks":      {limited(protocols.Limits{Asks: -1}), []string{"talk", "negative"}},
		"any in a field":     {one(protocols.Type[anything]()), []string{"talk/7", "0x01", "anything", "field Value"}},
		"methods in a field": {one(protocols.Type[words]()), []string{"talk/7", "0x01", "words", "field Value"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.spec.Check()
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in %q", want, err)
				}
			}
			if _, mountErr := protocols.Mount(c.spec); mountErr == nil || mountErr.Error() != err.Error() {
				t.Errorf("Mount returned %v, want %v", mountErr, err)
			}
		})
	}
}

func TestCheckAccepts(t *testing.T) {
	for name, m := range map[string]protocols.Message{
		"struct":             protocols.Type[ask](),
		"list":               protocols.Type[[]ask](),
		"string":             protocols.Type[string](),
		"integer":            protocols.Type[big.Int](),
		"ignored field":      protocols.Type[local](),
		"tail of raw values": protocols.Type[wide](),
		"own RLP":            protocols.Type[sealed](),
		"own RLP in a field": protocols.Type[struct{ S []*sealed }](),
		"own RLP by value":   protocols.Type[byValue](),
		"empty struct":       protocols.Type[struct{}](),
		"same type twice":    protocols.Type[struct{ A, B ask }](),
		"raw":                protocols.Raw(),
		"ignored":            protocols.Ignore(),
	} {
		t.Run(name, func(t *testing.T) {
			s := specOf(protocols.Type[answer](), m)
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMount(t *testing.T) {
	spec := with(specOf(protocols.Type[ask]()), func(s *protocols.Spec) {
		s.Versions = append(s.Versions, protocols.Version{Number: 8, Length: 17})
		s.Restart = protocols.Temporary
		s.Intensity = protocols.Intensity{Restarts: 2}
		s.Limits = protocols.Limits{Inbound: 1000, Outbox: 400}
	})
	mounted, err := protocols.Mount(spec, with(spec, func(s *protocols.Spec) { s.Name = "other" }))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mounted {
		for _, p := range m.Offers {
			got = append(got, fmt.Sprintf("%v %d %v %d %d %d %d", p.Cap(), p.Length, p.Restart, p.Intensity.Restarts, p.Budget, p.OutboxLimit, p.HighWater))
		}
	}
	want := []string{
		"talk/7 8 temporary 2 1000 400 100", "talk/8 17 temporary 2 1000 400 100",
		"other/7 8 temporary 2 1000 400 100", "other/8 17 temporary 2 1000 400 100",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := protocols.Mount(spec, spec); err == nil || !strings.Contains(err.Error(), "talk") {
		t.Errorf("two Specs with one name: %v", err)
	}
}

func TestDefaultLimits(t *testing.T) {
	mounted, err := protocols.Mount(specOf(protocols.Raw()))
	if err != nil {
		t.Fatal(err)
	}
	p := mounted[0].Offers[0]
	if p.Budget != actors.DefaultBudget || p.OutboxLimit != actors.DefaultOutboxLimit || p.HighWater != actors.DefaultHighWater {
		t.Errorf("limits are %d, %d, %d", p.Budget, p.OutboxLimit, p.HighWater)
	}
}
