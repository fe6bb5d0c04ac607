package torture

import "time"

// halfOpen connects by TCP and sends nothing.
type halfOpen struct{}

func (halfOpen) About() About {
	return About{
		Name: "half-open", Does: "connects by TCP and sends nothing", Rate: 10, Unit: "connections", Ends: 15 * time.Second,
		Late: true, Words: []string{"waiting for auth"},
	}
}

func (halfOpen) Attack(a *Attacker) {
	a.each(func() error {
		c, err := a.dial(0)
		if err != nil {
			return err
		}
		defer c.Close()
		a.await(c)
		return nil
	})
}
