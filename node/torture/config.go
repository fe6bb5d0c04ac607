package torture

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"
)

// Defaults and limits of a run.
const (
	DefaultAttackers = 20
	DefaultHonest    = 20
	DefaultDuration  = 10 * time.Second
	DefaultSettle    = time.Minute

	maxAttackers = 1000
	maxHonest    = 1000
	maxDuration  = 10 * time.Minute
	maxRate      = 100_000 // actions a second of one attacker
)

// Config says what to attack and how.
type Config struct {
	Target Target
	// Beside is another node of the same user. With it, the baseline of each attack is the rate
	// of the honest links of Target while the attack runs against Beside.
	Beside *Target

	Attacks   []Attack
	Rates     map[string]float64 // actions a second of each attacker, by the attack's name, instead of its own
	Attackers int                // of each attack
	Together  bool               // all attacks at once, instead of one after the other
	Duration  time.Duration      // of each attack
	Settle    time.Duration      // most time for the memory to come back after it
	From      []netip.Addr       // source addresses of the attackers; empty: the system chooses

	Honest     int // honest links
	HonestFrom []netip.Addr

	Bounds Bounds
	Logger *slog.Logger // says what begins; nil: nothing
}

// Check returns all that is wrong with a Config.
func (c *Config) Check() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(c.Target.Node == nil, "no node to attack")
	wrong(len(c.Attacks) == 0, "no attack")
	wrong(c.Attackers < 1 || c.Attackers > maxAttackers, "%d attackers: want 1 to %d", c.Attackers, maxAttackers)
	wrong(c.Honest < 1 || c.Honest > maxHonest, "%d honest links: want 1 to %d", c.Honest, maxHonest)
	wrong(c.Duration <= 0 || c.Duration > maxDuration, "duration %v: want at most %v", c.Duration, maxDuration)
	wrong(c.Settle < 0 || c.Settle > maxDuration, "settling time %v: want at most %v", c.Settle, maxDuration)
	known := map[string]bool{}
	for _, a := range All() {
		known[a.About().Name] = true
	}
	for name, rate := range c.Rates {
		wrong(!known[name], "rate of unknown attack %q", name)
		wrong(!(rate > 0 && rate <= maxRate), "rate of %s %v: want at most %d a second", name, rate, maxRate)
	}
	return errors.Join(errs...)
}

// rate returns the rate of one attacker.
func (c *Config) rate(about About) float64 {
	if rate, ok := c.Rates[about.Name]; ok {
		return rate
	}
	return about.Rate
}
