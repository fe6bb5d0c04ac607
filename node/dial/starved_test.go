package dial

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
)

func TestStarved(t *testing.T) {
	p := newPlan(10, 10, noJitter)
	p.began(epoch)
	if p.starved(epoch.Add(starvedAfter - 1)) {
		t.Error("starved before its time")
	}
	if !p.starved(epoch.Add(starvedAfter)) || p.starvesIn(epoch) != starvedAfter {
		t.Error("not starved although no node dialed")
	}
	p.linked(enode.ID{1}, false, epoch.Add(starvedAfter))
	if !p.starved(epoch.Add(starvedAfter)) {
		t.Error("an outbound link counts as inbound")
	}
	p.linked(enode.ID{2}, true, epoch.Add(starvedAfter))
	p.began(epoch.Add(starvedAfter + time.Second)) // the dialer was restarted
	if p.starved(epoch.Add(2*starvedAfter - 1)) {
		t.Error("starved although a node dialed")
	}
}
