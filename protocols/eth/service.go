package eth

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// service is the actor that keeps the node's view of the chain, and tells peers what it serves.
type service struct {
	eth   *Eth
	links map[*protocols.Link]struct{}
}

// indexed says that more history files can be served, or that there are no more.
type indexed struct{ done bool }

// viewChanged says that the node serves other blocks than before.
type viewChanged struct{}

func (s *service) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.start(ctx)
	case *protocols.LinkJoined:
		s.links[msg.Link] = struct{}{}
	case *protocols.LinkLeft:
		delete(s.links, msg.Link)
	case indexed:
		s.indexed(msg.done)
	case viewChanged:
		s.announce()
	case *actor.Stopping:
		s.eth.view.OnChange(nil)
	}
}

// start begins to index the files, or goes on with it after a crash.
func (s *service) start(ctx actor.Context) {
	s.links = map[*protocols.Link]struct{}{}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	s.eth.view.OnChange(func() { root.Send(self, viewChanged{}) })
	files := s.eth.files
	if files == nil {
		return
	}
	protocols.Go(ctx, func() {
		err := files.Index(s.eth.ctx, func() { root.Send(self, indexed{}) })
		if err == nil {
			root.Send(self, indexed{done: true})
		}
	})
}

// indexed updates the view.
func (s *service) indexed(done bool) {
	if done {
		s.eth.logIndexed()
	}
	head, first, ok := s.eth.files.Head()
	if !ok {
		return
	}
	s.eth.view.Set(head, first)
}

// announce sends the range that the node serves to the peers that were told one that differs by much.
func (s *service) announce() {
	now := s.eth.view.Range()
	for l := range s.links {
		told := &protocols.State[peer](l).told
		if l.Version() == eth68 || !worthTelling(*told.Load(), now) {
			continue
		}
		update := BlockRangeUpdate(now)
		if err := l.Send(&update); err == nil {
			told.Store(&now)
		}
	}
}

// worthTelling is go-ethereum's rule: a range is told anew if its end falls, or has grown by an
// epoch of 32 blocks. The beginning matters as well here, where files come and go.
func worthTelling(told, now chain.Range) bool {
	return now.Latest < told.Latest || now.Latest-told.Latest >= 32 || now.Earliest != told.Earliest
}

// logIndexed logs what there is to serve.
func (e *Eth) logIndexed() {
	s := e.files.State()
	if s.Files == 0 {
		return
	}
	r := e.view.Range()
	e.log.Info("History files indexed", "files", s.Files, "left out", len(s.LeftOut), "blocks", s.Blocks, "from", r.Earliest, "to", r.Latest)
}
