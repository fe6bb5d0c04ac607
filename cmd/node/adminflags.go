package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/protocols"
)

// Flags of the admin API, with go-ethereum's names and meanings. WebSocket shares the
// listener, and the namespaces, of HTTP.
const (
	flagNoIPC     = "ipcdisable"
	flagIPC       = "ipcpath"
	flagHTTP      = "http"
	flagHTTPAddr  = "http.addr"
	flagHTTPPort  = "http.port"
	flagHTTPAPI   = "http.api"
	flagHTTPCORS  = "http.corsdomain"
	flagHTTPHosts = "http.vhosts"
	flagWS        = "ws"
	flagWSOrigins = "ws.origins"
)

// ipcFile is the unix socket in the data directory.
const ipcFile = "node.ipc"

func adminFlags() []cli.Flag {
	const api = "API"
	return []cli.Flag{
		&cli.BoolFlag{Category: api, Name: flagNoIPC, Usage: "don't serve JSON-RPC on a unix socket"},
		&cli.StringFlag{Category: api, Name: flagIPC, Usage: "`PATH` of the unix socket; a name alone is one in the data directory", Value: ipcFile},
		&cli.BoolFlag{Category: api, Name: flagHTTP, Usage: "serve JSON-RPC by HTTP"},
		&cli.BoolFlag{Category: api, Name: flagWS, Usage: "serve JSON-RPC by WebSocket, on the same listener and for the same namespaces as HTTP"},
		&cli.StringFlag{Category: api, Name: flagHTTPAddr, Usage: "`HOST` to listen on for both", Value: "127.0.0.1"},
		&cli.IntFlag{Category: api, Name: flagHTTPPort, Usage: "`PORT` to listen on for both; 0 takes a free one", Value: 8545},
		&cli.StringFlag{Category: api, Name: flagHTTPAPI, Usage: "`NAMESPACES` to serve by both, separated by commas; admin on loopback addresses only", Value: strings.Join(admin.DefaultNamespaces, ",")},
		&cli.StringFlag{Category: api, Name: flagHTTPCORS, Usage: "`ORIGINS` whose web pages may call by HTTP, separated by commas; * for all"},
		&cli.StringFlag{Category: api, Name: flagHTTPHosts, Usage: "`HOSTS` under whose names both are served, separated by commas; * for all. Addresses always are", Value: "localhost"},
		&cli.StringFlag{Category: api, Name: flagWSOrigins, Usage: "`ORIGINS` whose web pages may open a WebSocket, separated by commas; * for all"},
	}
}

// adminOf is where the node is to serve JSON-RPC, and which protocols it may be told to add:
// all that are built in.
func adminOf(ctx context.Context, cmd *cli.Command, running []protocols.Spec, log *slog.Logger) (node.Admin, error) {
	var a node.Admin
	if !cmd.Bool(flagNoIPC) {
		a.IPC = ipcPath(cmd)
	}
	for _, name := range builtinNames() {
		if !slices.ContainsFunc(running, func(s protocols.Spec) bool { return s.Name == name }) {
			a.Available = append(a.Available, builtin[name](ctx, log))
		}
	}
	if !cmd.Bool(flagHTTP) && !cmd.Bool(flagWS) {
		return a, nil
	}
	port := cmd.Int(flagHTTPPort)
	if port < 0 || port > 1<<16-1 {
		return a, fmt.Errorf("--%s %d: want 0 to 65535", flagHTTPPort, port)
	}
	a.HTTP = &node.AdminHTTP{
		Addr: net.JoinHostPort(cmd.String(flagHTTPAddr), strconv.Itoa(port)),
		HTTP: cmd.Bool(flagHTTP), WebSocket: cmd.Bool(flagWS),
		Namespaces: words(cmd.String(flagHTTPAPI)), Hosts: words(cmd.String(flagHTTPHosts)),
		CORS: words(cmd.String(flagHTTPCORS)), Origins: words(cmd.String(flagWSOrigins)),
	}
	return a, a.HTTP.Check()
}

// ipcPath is where the socket of the node with this data directory is.
func ipcPath(cmd *cli.Command) string {
	path := cmd.String(flagIPC)
	if filepath.Base(path) == path {
		return filepath.Join(cmd.String(flagDataDir), path)
	}
	return path
}

// words splits at commas.
func words(list string) (words []string) {
	for w := range strings.SplitSeq(list, ",") {
		if w = strings.TrimSpace(w); w != "" {
			words = append(words, w)
		}
	}
	return words
}
