package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/urfave/cli/v3"
)

const targetHelp = "TARGET is an enode URL, an ENR, a node ID in hex, the beginning of a peer's ID, an IP address or a network in CIDR notation."

// adminCommands returns the commands that control the node running with the data directory,
// over its unix socket.
func adminCommands() []*cli.Command {
	asJSON := func() []cli.Flag { return []cli.Flag{&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"}} }
	return []*cli.Command{
		{Name: "admin", Usage: "call a JSON-RPC method of the running node and print the result", ArgsUsage: "METHOD [PARAM…]", Action: callMethod,
			Description: "A METHOD without a namespace belongs to the admin namespace. A PARAM that is not valid JSON is sent as a string."},
		{Name: "peers", Usage: "list the peers of the running node", Action: listPeers, Flags: asJSON()},
		{Name: "ban", Usage: "ban a node, an IP address or a network from the running node", ArgsUsage: "TARGET", Action: ban, Description: targetHelp, Flags: []cli.Flag{
			&cli.DurationFlag{Name: flagFor, Usage: "`TIME` that the ban lasts, such as 12h", Value: defaultBan},
			&cli.StringFlag{Name: flagReason, Usage: "`TEXT` to show in the list of bans and in the log"},
		}},
		{Name: "unban", Usage: "lift a ban of the running node and clear the penalties that led to it", ArgsUsage: "TARGET", Action: unban, Description: targetHelp},
		{Name: "bans", Usage: "list the bans of the running node", Action: listBans, Flags: asJSON()},
		{Name: "protocol", Usage: "list or change the protocols that the running node offers", Commands: []*cli.Command{
			{Name: "list", Usage: "list the protocols that the node offers and those that can be added", Action: listProtocols, Flags: asJSON()},
			{Name: "add", Usage: "offer a protocol on new links", ArgsUsage: "NAME", Action: changeProtocols("admin_addProtocol")},
			{Name: "remove", Usage: "stop offering a protocol on new links", ArgsUsage: "NAME", Action: changeProtocols("admin_removeProtocol")},
		}},
	}
}

// running is a client connected to a running node.
type running struct {
	*rpc.Client
	conn net.Conn
}

func (r *running) close() {
	_ = r.conn.Close() // first, because Client.Close waits until there is nothing more to read
	r.Client.Close()
}

// reach connects to the node that runs with the data directory of the flags. The caller closes
// the result.
func reach(ctx context.Context, cmd *cli.Command) (*running, error) {
	path := ipcPath(cmd)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("no node serves %s: is a node running with this --%s? (%w)", path, flagDataDir, err)
		}
		return nil, err
	}
	client, err := rpc.DialIO(ctx, conn, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &running{client, conn}, nil
}

// ask calls one method of the running node. If the node answers with an error, the exit code
// is 3.
func ask(ctx context.Context, cmd *cli.Command, result any, method string, params ...any) error {
	node, err := reach(ctx, cmd)
	if err != nil {
		return err
	}
	defer node.close()
	err = node.CallContext(ctx, result, method, params...)
	var answer rpc.Error
	if errors.As(err, &answer) {
		return &failure{err, exitRefused}
	}
	return err
}

// callMethod calls the method that the arguments name and prints its result.
func callMethod(ctx context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		return usage(errors.New("METHOD is missing"))
	}
	method := cmd.Args().First()
	if !strings.Contains(method, "_") {
		method = "admin_" + method
	}
	var params []any
	for _, arg := range cmd.Args().Tail() {
		if json.Valid([]byte(arg)) {
			params = append(params, json.RawMessage(arg))
		} else {
			params = append(params, arg)
		}
	}
	var result json.RawMessage
	if err := ask(ctx, cmd, &result, method, params...); err != nil {
		return err
	}
	return printJSON(cmd.Root().Writer, result)
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = fmt.Fprintln(w, string(text))
	}
	return err
}
