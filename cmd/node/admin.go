package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/urfave/cli/v3"
)

// adminCommands talk to the node that runs with a data directory, over its unix socket.
func adminCommands() []*cli.Command {
	asJSON := func() []cli.Flag { return []cli.Flag{&cli.BoolFlag{Name: flagJSON, Usage: "print JSON"}} }
	return []*cli.Command{
		{Name: "admin", Usage: "call a method of the running node's JSON-RPC and print the result", ArgsUsage: "METHOD [PARAM…]", Action: callMethod,
			Description: "A method without a namespace is one of admin's. A parameter that is no JSON is taken as text."},
		{Name: "peers", Usage: "list the peers of the running node", Action: listPeers, Flags: asJSON()},
		{Name: "ban", Usage: "keep a node, an IP address or a network out of the running node", ArgsUsage: "TARGET", Action: ban, Flags: []cli.Flag{
			&cli.DurationFlag{Name: flagFor, Usage: "how long, a `TIME` such as 12h", Value: defaultBan},
			&cli.StringFlag{Name: flagReason, Usage: "`WORDS` for the list of bans and the log"},
		}},
		{Name: "unban", Usage: "end a ban of the running node, and forget what led to it", ArgsUsage: "TARGET", Action: unban},
		{Name: "bans", Usage: "list the bans of the running node", Action: listBans, Flags: asJSON()},
		{Name: "protocol", Usage: "change which protocols the running node offers", Commands: []*cli.Command{
			{Name: "list", Usage: "list them, and those that can be added", Action: listProtocols, Flags: asJSON()},
			{Name: "add", Usage: "offer one more, on links that come", ArgsUsage: "NAME", Action: changeProtocols("admin_addProtocol")},
			{Name: "remove", Usage: "offer one less", ArgsUsage: "NAME", Action: changeProtocols("admin_removeProtocol")},
		}},
	}
}

// running is a connection to a running node.
type running struct {
	*rpc.Client
	conn net.Conn
}

func (r *running) close() {
	_ = r.conn.Close() // before the client, which waits until there is nothing more to read
	r.Client.Close()
}

// reach connects to the node that runs with this data directory.
func reach(ctx context.Context, cmd *cli.Command) (*running, error) {
	path := ipcPath(cmd)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("no node serves %s: is one running with this --%s? (%w)", path, flagDataDir, err)
		}
		return nil, err
	}
	client, err := rpc.DialIO(ctx, conn, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &running{client, conn}, nil
}

// ask makes one call to the running node. The exit code is 3 if it answers with an error.
func ask(ctx context.Context, cmd *cli.Command, result any, method string, params ...any) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer cancel()
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

// callMethod makes one call and prints its result.
func callMethod(ctx context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		return usage(errors.New("which method?"))
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
