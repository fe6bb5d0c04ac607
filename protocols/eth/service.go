package eth

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/chain"
)

// service is the actor that keeps the node's view of the chain, and tells peers what it serves.
type service struct {
	eth   *Eth
	links map[*protocols.Link]struct{}

	follower *follower // nil: the Config has a Source, whose owner says what the head is
	pooling  *pooling
}

// lookEvery is how often the service looks for links that could not be told of a change. It is the
// time between two blocks.
const lookEvery = 12 * time.Second

// lookDue says that lookEvery has passed. It is for the incarnation that asked for it.
type lookDue struct{ service *service }

// indexed says that more or fewer history files can be served, or that all have been indexed.
type indexed struct{ done bool }

// serves says what a peer serves from now on.
type serves struct {
	link *protocols.Link
	rng  chain.Range
}

// viewChanged says that the node serves other blocks than before.
type viewChanged struct{}

func (s *service) Receive(ctx actor.Context) {
	f := s.follower
	if f != nil {
		f.amid = true
	}
	s.receive(ctx)
	if f != nil {
		f.amid = false // not after a panic
	}
}

func (s *service) receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.start(ctx)
	case *protocols.LinkJoined:
		s.links[msg.Link] = struct{}{}
		s.tell(msg.Link) // the view may have changed during the handshake
		s.pooling.joined(msg.Link)
		if s.follower != nil {
			s.follower.joined(msg.Link)
		}
	case *protocols.LinkLeft:
		delete(s.links, msg.Link)
		s.pooling.left(msg.Link)
		if s.follower != nil {
			s.follower.left(msg.Link)
		}
	case indexed:
		s.follower.readFiles(msg.done)
	case serves, followerDue, fetched, partFetched, run, filesHead, nodeHead, rejoined, downloadWant, downloadOver, linksWanted:
		if s.follower != nil {
			s.follower.receive(msg)
		}
	case announced, taken, followed, accountsKnown, poolDue, cellsCame, bodyCame, jobDone, samplingDue:
		s.pooling.receive(msg)
	case viewChanged:
		s.announce()
		s.pooling.follow()
	case lookDue:
		if msg.service == s {
			s.announce()
			s.armLook(ctx)
		}
	case *actor.Stopping:
		s.eth.look.Stop()
		s.pooling.stop()
		if s.follower != nil {
			s.follower.stop()
			s.eth.downloads.attach(nil)
		}
		s.eth.view.OnChange(nil)
		s.eth.filesChanged.Store(nil)
		s.eth.tellService.Store(nil)
	}
}

// start begins to index the files, or goes on with it after a crash.
func (s *service) start(ctx actor.Context) {
	s.links = map[*protocols.Link]struct{}{}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	s.eth.view.OnChange(func() { root.Send(self, viewChanged{}) })
	s.armLook(ctx)
	s.askNode(ctx)
	s.pooling = newPooling(ctx, s.eth)
	files := s.eth.files
	if files == nil {
		return
	}
	if s.follower = s.eth.follower; s.follower.sound() {
		s.follower.resume(ctx)
	} else {
		s.follower = newFollower(ctx, s.eth)
	}
	changed := func() { root.Send(self, indexed{}) }
	s.eth.filesChanged.Store(&changed)
	protocols.Go(ctx, func() {
		err := files.Index(s.eth.ctx, changed)
		if err == nil {
			root.Send(self, indexed{done: true})
		}
	})
	s.eth.filler.start(ctx)
}

func (s *service) armLook(ctx actor.Context) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	if s.eth.look != nil {
		s.eth.look.Stop() // of an incarnation that crashed
	}
	s.eth.look = s.eth.clock.AfterFunc(lookEvery, func() { root.Send(self, lookDue{s}) })
}

// announce tells all peers what the node serves.
func (s *service) announce() {
	for l := range s.links {
		s.tell(l)
	}
}

// tell sends the range that the node serves to a peer that was told one that differs by much. While
// its outbox is full, it is not told: lookDue tries again.
func (s *service) tell(l *protocols.Link) {
	told, now := &protocols.State[peer](l).told, s.eth.view.Range()
	if l.Version() == eth68 || !worthTelling(*told.Load(), now) {
		return
	}
	update := BlockRangeUpdate(now)
	if err := l.Send(&update); err == nil {
		told.Store(&now)
	}
}

// worthTelling is go-ethereum's rule: a range is told anew if its end falls, or has grown by an
// epoch of 32 blocks. The beginning matters as well here, where files come and go.
func worthTelling(told, now chain.Range) bool {
	return now.Latest < told.Latest || now.Latest-told.Latest >= 32 || now.Earliest != told.Earliest
}
