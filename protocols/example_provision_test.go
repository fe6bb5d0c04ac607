package protocols_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/protocoltest"
)

// Seen tells a remote how many links the node has had.
type Seen struct{ Links uint64 }

// visitLog counts the links of a node, also over its restarts. Only the service uses it.
type visitLog struct {
	file  string
	links uint64
}

func (v *visitLog) provision(_ context.Context, env *protocols.Env) error {
	dir, err := env.Dir() // such as ~/.troupe/protocols/visits
	if err != nil || dir == "" {
		return err
	}
	v.file = filepath.Join(dir, "links")
	data, err := os.ReadFile(v.file)
	if os.IsNotExist(err) {
		return nil
	}
	if err == nil {
		v.links, err = strconv.ParseUint(string(data), 10, 64)
	}
	return err // an error keeps the node from starting
}

func (v *visitLog) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *protocols.LinkJoined:
		v.links++
		if err := msg.Link.Send(&Seen{Links: v.links}); err != nil {
			ctx.Logger().Info("not told", "err", err)
		}
	case *actor.Stopping: // after the LinkLeft of the last link
		if v.file == "" {
			return
		}
		if err := os.WriteFile(v.file, fmt.Append(nil, v.links), 0o600); err != nil {
			ctx.Logger().Error("count of links not written", "err", err)
		}
	}
}

// VisitsSpec describes visits/1 for one node.
func VisitsSpec() protocols.Spec {
	v := new(visitLog)
	return protocols.Spec{
		Name: "visits",
		Versions: []protocols.Version{{
			Number: 1, Length: 1, Messages: []protocols.Message{protocols.Type[Seen]()},
		}},
		New:         func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) },
		Provision:   v.provision,
		Service:     func() actor.Actor { return v }, // the same after a crash: it keeps the count
		StopTimeout: 2 * time.Second,
	}
}

// What a protocol keeps on disk is read in its Provision, and written when its service stops.
func ExampleEnv() {
	dir, err := os.MkdirTemp("", "visits")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for range 2 { // the node starts twice
		remote := protocoltest.ByHand(VisitsSpec())
		remote.Service, remote.Provision = nil, nil
		p, err := protocoltest.Connect(VisitsSpec(), remote, protocoltest.Dir(dir))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("links:", protocoltest.Next[Seen](p.B).Links)
		p.Close()
	}
	// Output:
	// links: 1
	// links: 2
}
