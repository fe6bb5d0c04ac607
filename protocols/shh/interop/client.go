package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/whisper/shhclient"
	"github.com/ethereum/go-ethereum/whisper/whisperv6"
)

// useClient makes each call of go-ethereum's Whisper client to the node at an IPC socket,
// and checks that the results are the same as those of a go-ethereum node.
func useClient(socket, peer string) error {
	c, err := shhclient.Dial(socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, use := range []func(context.Context, *shhclient.Client) error{useDemands, useKeyPairs, useSymKeys, useMessages} {
		if err := use(ctx, c); err != nil {
			return err
		}
	}
	return c.MarkTrustedPeer(ctx, peer)
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func useDemands(ctx context.Context, c *shhclient.Client) error {
	version, err := c.Version(ctx)
	if err != nil || version != whisperv6.ProtocolVersionStr {
		return fmt.Errorf("version %q: %v", version, err)
	}
	if err := first(c.SetMaxMessageSize(ctx, 50_000), c.SetMinimumPoW(ctx, 0.01)); err != nil {
		return err
	}
	info, err := c.Info(ctx)
	if err != nil || info.MaxMessageSize != 50_000 || info.MinPow != 0.01 {
		return fmt.Errorf("info %+v: %v", info, err)
	}
	return nil
}

func useKeyPairs(ctx context.Context, c *shhclient.Client) error {
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	made, err1 := c.NewKeyPair(ctx)
	added, err2 := c.AddPrivateKey(ctx, crypto.FromECDSA(key))
	public, err3 := c.PublicKey(ctx, added)
	private, err4 := c.PrivateKey(ctx, added)
	_, err5 := c.DeleteKeyPair(ctx, made)
	gone, err6 := c.HasKeyPair(ctx, made)
	there, err7 := c.HasKeyPair(ctx, added)
	if err := first(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return err
	}
	if !bytes.Equal(public, crypto.FromECDSAPub(&key.PublicKey)) || !bytes.Equal(private, crypto.FromECDSA(key)) || gone || !there {
		return fmt.Errorf("public key %x, private key %x, deleted pair exists: %v, other pair exists: %v", public, private, gone, there)
	}
	return nil
}

func useSymKeys(ctx context.Context, c *shhclient.Client) error {
	key := bytes.Repeat([]byte{7}, 32)
	made, err1 := c.NewSymmetricKey(ctx)
	added, err2 := c.AddSymmetricKey(ctx, key)
	derived, err3 := c.GenerateSymmetricKeyFromPassword(ctx, "secret")
	got, err4 := c.GetSymmetricKey(ctx, added)
	err5 := c.DeleteSymmetricKey(ctx, made)
	gone, err6 := c.HasSymmetricKey(ctx, made)
	there, err7 := c.HasSymmetricKey(ctx, derived)
	if err := first(err1, err2, err3, err4, err5, err6, err7); err != nil {
		return err
	}
	if !bytes.Equal(got, key) || gone || !there {
		return fmt.Errorf("key %x, deleted key exists: %v, derived key exists: %v", got, gone, there)
	}
	return nil
}

// useMessages posts signed messages with both kinds of key, and reads them from a
// subscription and a filter.
func useMessages(ctx context.Context, c *shhclient.Client) error {
	sym, err1 := c.AddSymmetricKey(ctx, bytes.Repeat([]byte{9}, 32))
	pair, err2 := c.NewKeyPair(ctx)
	public, err3 := c.PublicKey(ctx, pair)
	if err := first(err1, err2, err3); err != nil {
		return err
	}
	topic := whisperv6.TopicType{1, 2, 3, 4}
	pushed := make(chan *whisperv6.Message, 10)
	sub, err := c.SubscribeMessages(ctx, whisperv6.Criteria{SymKeyID: sym, Topics: []whisperv6.TopicType{topic}, Sig: public}, pushed)
	if err != nil {
		return err
	}
	defer sub.Unsubscribe()
	filter, err := c.NewMessageFilter(ctx, whisperv6.Criteria{PrivateKeyID: pair, MinPow: 0.01})
	if err != nil {
		return err
	}
	common := whisperv6.NewMessage{TTL: 30, Topic: topic, PowTarget: 0.02, PowTime: 30, Sig: pair}
	one, other := common, common
	one.SymKeyID, one.Payload = sym, []byte("to all")
	other.PublicKey, other.Payload = public, []byte("to one")
	hash, err := c.Post(ctx, one)
	if err != nil {
		return err
	}
	select {
	case m := <-pushed:
		if string(m.Payload) != "to all" || fmt.Sprintf("0x%x", m.Hash) != hash || !bytes.Equal(m.Sig, public) || m.TTL != 30 || m.Topic != topic {
			return fmt.Errorf("pushed %+v, posted %s", m, hash)
		}
	case err := <-sub.Err():
		return fmt.Errorf("subscription: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
	if hash, err = c.Post(ctx, other); err != nil {
		return err
	}
	got, err := c.FilterMessages(ctx, filter)
	if err != nil || len(got) != 1 || string(got[0].Payload) != "to one" || fmt.Sprintf("0x%x", got[0].Hash) != hash || !bytes.Equal(got[0].Dst, public) {
		return fmt.Errorf("filter returned %+v: %v", got, err)
	}
	return c.DeleteMessageFilter(ctx, filter)
}
