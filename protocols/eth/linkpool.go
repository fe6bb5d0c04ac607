package eth

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-p2p/troupe/protocols"
	"github.com/troupe-p2p/troupe/protocols/eth/announce"
	"github.com/troupe-p2p/troupe/protocols/eth/propagation"
	"github.com/troupe-p2p/troupe/protocols/eth/txfetch"
)

// The codes of the messages that are not decoded.
const (
	codeTransactions  = 0x02
	codeAnnouncements = 0x08
)

// flow tells the link's actor that there are transactions for the remote.
type flow struct{}

// lookedAt tells the link's actor that the work on pushed transactions is done, or lost.
type lookedAt struct{}

// peerOf returns what a link keeps.
func peerOf(l *protocols.Link) *peer { return protocols.State[peer](l) }

// queueOf returns what the remote is to get. The service may need it before the link's actor.
func (p *peer) queueOf(version uint) *propagation.Queue {
	p.queueOnce.Do(func() { p.queue = propagation.NewQueue(version) })
	return p.queue
}

// raw takes a message that the kit does not decode.
func (l *link) raw(ctx actor.Context, msg *protocols.RawMessage) {
	switch {
	case l.peer.allowance.owes(l.eth.clock.Now()):
		l.peer.allowance.drop()
	case msg.Code == codeAnnouncements:
		l.announced(msg.Payload)
	case msg.Code == codeTransactions:
		l.pushed(ctx, msg.Payload)
	}
}

// announced notes what the remote has, and passes on to the service what the pool does not have.
func (l *link) announced(payload []byte) {
	m, err := announce.Parse(l.link.Version(), payload)
	if err != nil {
		l.link.DisconnectWithError(protocols.DiscProtocolError, err)
		return
	}
	news := announced{link: l.link.Shared(), mask: m.Mask}
	queue, from := l.peer.queueOf(l.link.Version()), originOf(l.link)
	for tx := range m.All() {
		queue.Has(tx.Hash)
		if !l.eth.mempool.pool.Announced(tx.Hash, from) && len(news.txs) < txfetch.MaxAnnounced {
			news.txs = append(news.txs, tx)
		}
	}
	l.link.PassOn(news)
}

// pushed has the transactions that the remote has sent looked at.
func (l *link) pushed(ctx actor.Context, list []byte) {
	waiting := &l.eth.mempool.pushed
	if waiting.Add(int64(len(list))) > maxPushedBytes {
		waiting.Add(-int64(len(list)))
		l.peer.allowance.drop()
		return
	}
	l.peer.intake.add(bytes.Clone(list))
	l.look(ctx)
}

// look begins with the next message of transactions, unless one is being looked at.
func (l *link) look(ctx actor.Context) {
	defer l.hold()
	list, ok := l.peer.intake.take()
	if !ok {
		return
	}
	shared, p, root, self := l.link.Shared(), l.peer, ctx.ActorSystem().Root, ctx.Self()
	shared.Go(func() {
		defer func() {
			l.eth.mempool.pushed.Add(-int64(len(list)))
			p.intake.finish()
			root.Send(self, lookedAt{})
		}()
		t := taken{link: shared}
		if err := l.eth.take(shared.Context(), &t, list, txfetch.MaxPushed); err != nil {
			shared.DisconnectWithError(protocols.DiscProtocolError, err)
		}
		root.Send(shared.Service(), t)
	})
}

// flow sends the remote what is there for it, as far as the outbox has room. It leaves room for answers.
func (l *link) flow() {
	for {
		if l.peer.unsent == nil {
			more, err := l.nextMessage()
			if err != nil {
				l.link.DisconnectWithError(protocols.DiscSubprotocolError, fmt.Errorf("encode transactions: %w", err))
				return
			}
			if !more {
				return
			}
			continue
		}
		if !l.link.AwaitRoom(room) {
			return // Drained follows
		}
		switch err := l.link.Shared().Send(l.peer.unsent); {
		case errors.Is(err, protocols.ErrOutboxFull), errors.Is(err, protocols.ErrLinkDown):
			return
		case err != nil:
			l.link.DisconnectWithError(protocols.DiscSubprotocolError, err)
			return
		}
		l.peer.unsent = nil
	}
}

// nextMessage makes the next message to the remote, if there is one. more is false if nothing is left
// to be looked at.
func (l *link) nextMessage() (more bool, err error) {
	m, more, err := l.peer.queueOf(l.link.Version()).Next(l.eth.mempool.pool)
	switch {
	case len(m.Transactions) > 0:
		l.peer.unsent = &protocols.RawMessage{Code: codeTransactions, Payload: m.Transactions}
	case len(m.Announcements) > 0:
		l.peer.unsent = &protocols.RawMessage{Code: codeAnnouncements, Payload: m.Announcements}
	}
	return more, err
}
