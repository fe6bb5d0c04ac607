package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols/chat"
	"github.com/troupe-p2p/troupe/wire"
)

// printRecord prints the record that the running node keeps in its data directory.
func printRecord(_ context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	n, err := node.ReadRecord(cmd.String(flagDataDir))
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.Root().Writer, n)
	return nil
}

// keyFile returns the path of the key file that the key commands use.
func keyFile(cmd *cli.Command) string {
	if file := cmd.String(flagNodeKey); file != "" {
		return file
	}
	return node.KeyFile(cmd.String(flagDataDir))
}

func generateKey(_ context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	key, err := node.CreateKey(keyFile(cmd))
	if err != nil {
		return err
	}
	printKey(cmd.Root().Writer, key)
	return nil
}

func showKey(_ context.Context, cmd *cli.Command) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	key, err := node.ReadKey(keyFile(cmd))
	if err != nil {
		return err
	}
	printKey(cmd.Root().Writer, key)
	return nil
}

// printKey prints the public parts of the key.
func printKey(w io.Writer, key *ecdsa.PrivateKey) {
	fmt.Fprintf(w, "public key  %x\n", crypto.FromECDSAPub(&key.PublicKey)[1:])
	fmt.Fprintf(w, "node ID     %v\n", enode.PubkeyToIDV4(&key.PublicKey))
}

// nodeArg parses the one argument of a command, a node that can be dialed.
func nodeArg(cmd *cli.Command) (*enode.Node, error) {
	arg, err := onlyArgs(cmd, 1)
	if err != nil {
		return nil, err
	}
	return oneNode(arg)
}

// oneNode parses one node that can be dialed.
func oneNode(arg string) (*enode.Node, error) {
	nodes, err := node.ParseStaticNodes(arg)
	if err == nil && len(nodes) != 1 {
		err = fmt.Errorf("%q: want one node", arg)
	}
	if err != nil {
		return nil, usage(err)
	}
	return nodes[0], nil
}

// ping prints the Hello of a node and its round-trip time. The exit code is 0 if the node answers
// the ping, 3 if it sends a Disconnect, and 1 if it cannot be reached.
func ping(ctx context.Context, cmd *cli.Command) error {
	target, err := nodeArg(cmd)
	if err != nil {
		return err
	}
	key, err := givenKey(cmd)
	if err != nil {
		return usage(err)
	}
	r, err := node.Ping(ctx, key, target)
	w := cmd.Root().Writer
	if r.Addr.IsValid() {
		fmt.Fprintf(w, "address       %v, connected in %v\n", r.Addr, r.Connect.Round(time.Microsecond))
	}
	if h := r.Hello; h != nil {
		fmt.Fprintf(w, "client        %q\n", h.Name) // quoted: the remote may send any characters
		fmt.Fprintf(w, "p2p version   %d\n", h.Version)
		fmt.Fprintf(w, "capabilities  %s\n", chat.Printable(fmt.Sprint(h.Caps)))
		fmt.Fprintf(w, "listen port   %d\n", h.ListenPort)
		fmt.Fprintf(w, "node ID       %v\n", target.ID())
		fmt.Fprintf(w, "handshakes    %v\n", r.Setup.Round(time.Microsecond))
	}
	var refused *wire.RemoteDisconnect
	if errors.As(err, &refused) {
		return &failure{fmt.Errorf("pinging the node: %w", err), exitRefused}
	}
	if err != nil {
		return fmt.Errorf("pinging the node: %w", err)
	}
	fmt.Fprintf(w, "pong          %v\n", r.RTT.Round(time.Microsecond))
	return nil
}
