//go:build natlab

package natlab_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-p2p/troupe/node/punch"
)

const (
	punchTime      = 15 * time.Second
	punchTimeLossy = 30 * time.Second
	// triesTime is for attempts that fail, which end by time-outs: usually after 8 to 12 s, later on
	// a busy machine.
	triesTime = 10 * time.Second
	pubAddr   = "30.1.1.10"
	pub2Addr  = "30.2.2.10"
	// amongOthers is how long it may take to find one of our nodes among go-ethereum's.
	amongOthers = time.Minute
)

var natTypes = []string{"fullcone", "restricted", "portrestricted", "symmetric"}

// outcome is the result of a pair.
type outcome uint8

const (
	linked     outcome = iota // a link, by TCP
	udpOnly                   // a session of discovery
	filtered                  // nothing, after failed attempts
	impossible                // nothing is attempted
)

func (o outcome) String() string {
	return [...]string{"TCP", "UDP", "filtered", "impossible"}[o]
}

// outcomeOf returns the result that natlab's own table and the kinds of mapping predict.
func outcomeOf(a, b string) outcome {
	switch {
	case a == "symmetric" && b == "symmetric":
		return impossible
	case a == "symmetric" && b == "portrestricted", a == "portrestricted" && b == "symmetric":
		return filtered
	case a == "symmetric" || b == "symmetric":
		return udpOnly
	}
	return linked
}

// reached returns nil if a pair has this result, otherwise an error with its state.
func reached(a, b *labNode, want outcome) error {
	var seen []string
	for _, side := range [][2]*labNode{{a, b}, {b, a}} {
		if _, ok := side[0].hears(side[1]); !ok && want == linked {
			return fmt.Errorf("%s has no line from %s: %+v", side[0].child.Name, side[1].child.Name, side[0].holes())
		}
		s := side[0].holes()
		for cause, n := range s.Calls {
			if n > 0 {
				seen = append(seen, cause)
			}
		}
	}
	if want == linked {
		return nil
	}
	causes := map[outcome][]string{
		udpOnly:  {punch.EndedUDPOnly, punch.EndedTCP}, // the latter if a side did not know its NAT yet
		filtered: {punch.EndedFiltered}, impossible: {punch.EndedImpossible},
	}[want]
	if slices.ContainsFunc(seen, func(s string) bool { return slices.Contains(causes, s) }) {
		return nil
	}
	return fmt.Errorf("calls ended: %v; %+v and %+v", seen, a.holes(), b.holes())
}

// TestNATLabPunch puts two nodes behind every ordered pair of NAT types, without port mapping and
// with one common neighbour, which is the only node that they know, and waits for the result that
// is possible.
func TestNATLabPunch(t *testing.T) { newLabs(t).punchAll(t, false) }

// TestNATLabPunchLossy is the same with 5 % of the packets lost at both routers in each direction.
// Which ones are lost is random: one of the sixteen pairs may take longer.
func TestNATLabPunchLossy(t *testing.T) { newLabs(t).punchAll(t, true) }

// punchAll runs all pairs, and prints a table of the results.
func (s *labs) punchAll(t *testing.T, lossy bool) {
	var (
		mu   sync.Mutex
		took = map[[2]string]string{}
		late []string
		wait sync.WaitGroup
	)
	slots := make(chan struct{}, labsAtOnce)
	for _, a := range natTypes {
		for _, b := range natTypes {
			slots <- struct{}{}
			wait.Go(func() {
				defer func() { <-slots }()
				t.Run(a+"/"+b, func(t *testing.T) {
					d, err := s.punch(t, a, b, lossy)
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Logf("not in time: %v", err)
						late = append(late, a+"/"+b)
					}
					took[[2]string{a, b}] = fmt.Sprintf("%v %.1f", outcomeOf(a, b), d.Seconds())
				})
			})
		}
	}
	wait.Wait()
	var table strings.Builder
	fmt.Fprintf(&table, "| A \\ B | %s |\n|---|---|---|---|---|\n", strings.Join(natTypes, " | "))
	for _, a := range natTypes {
		fmt.Fprintf(&table, "| %s |", a)
		for _, b := range natTypes {
			fmt.Fprintf(&table, " %s |", took[[2]string{a, b}])
		}
		table.WriteByte('\n')
	}
	t.Logf("result of each pair, and seconds after both nodes were up:\n%s", table.String())
	allowed := 0
	if lossy {
		allowed = 1
	}
	if len(late) > allowed {
		t.Errorf("not in time: %v", late)
	}
}

// punch waits until a1 and b1 have the result that their NATs allow. It returns how long that
// took, and an error with the state of both if the time is over.
func (s *labs) punch(t *testing.T, a, b string, lossy bool) (time.Duration, error) {
	l := s.up(t, "none:"+a, "none:"+b)
	limit := punchTime
	if outcomeOf(a, b) == filtered {
		limit += triesTime
	}
	if lossy {
		limit = punchTimeLossy
		if _, err := l.command("fault", "lossy", "5%"); err != nil {
			t.Fatal(err)
		}
	}
	pub := l.run(t, "pub", pubAddr, child{Name: "pub", Port: 30303})
	x := l.run(t, "a1", "192.168.10.11", child{Name: "ann", Port: 30304, Boot: []string{pub.url}})
	y := l.run(t, "b1", "192.168.20.11", child{Name: "ben", Port: 30305, Boot: []string{pub.url}})
	began := time.Now()
	err := await(limit, func() error { return reached(x, y, outcomeOf(a, b)) })
	return time.Since(began), err
}

// TestNATLabPunchAmongGeth has go-ethereum's nodes as neighbours. They report our endpoint, and
// relay nothing; one of our nodes among them is enough.
func TestNATLabPunchAmongGeth(t *testing.T) {
	s := newLabs(t)
	t.Run("go-ethereum alone", func(t *testing.T) {
		l := s.up(t, "none:portrestricted", "none:portrestricted")
		pub := l.run(t, "pub", pubAddr, child{Name: "pub", Port: 30303, Geth: true})
		pub2 := l.run(t, "pub2", pub2Addr, child{Name: "pub2", Port: 30303, Geth: true, Boot: []string{pub.url}})
		x := l.run(t, "a1", "192.168.10.11", child{Name: "ann", Port: 30304, Boot: []string{pub.url, pub2.url}})
		err := await(punchTime, func() error {
			if s := x.holes(); s.Belief != punch.EndpointIndependent || s.Observed.Addr().String() != "30.10.10.1" || len(s.Relays) > 0 {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
		if err != nil {
			t.Errorf("two neighbours that run go-ethereum must be enough to know the NAT: %v", err)
		}
	})
	t.Run("one of our nodes among them", func(t *testing.T) {
		l := s.up(t, "none:portrestricted", "none:restricted")
		pub := l.run(t, "pub", pubAddr, child{Name: "pub", Port: 30303, Geth: true})
		l.run(t, "pub", pubAddr, child{Name: "other", Port: 30313, Geth: true, Boot: []string{pub.url}})
		l.run(t, "pub2", pub2Addr, child{Name: "relay", Port: 30303, Boot: []string{pub.url}})
		x := l.run(t, "a1", "192.168.10.11", child{Name: "ann", Port: 30304, Boot: []string{pub.url}})
		y := l.run(t, "b1", "192.168.20.11", child{Name: "ben", Port: 30305, Boot: []string{pub.url}})
		began := time.Now()
		if err := await(amongOthers, func() error { return reached(x, y, linked) }); err != nil {
			t.Error(err)
		}
		t.Logf("linked after %.1f s", time.Since(began).Seconds())
	})
}
