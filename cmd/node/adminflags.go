package main

import (
	"fmt"
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

// The flags of the admin API have go-ethereum's names and meanings. WebSocket shares HTTP's
// listener and namespaces.
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

// ipcFile is the name of the unix socket in the data directory.
const ipcFile = "node.ipc"

func adminFlags() []cli.Flag {
	const api = "API"
	return []cli.Flag{
		&cli.BoolFlag{Category: api, Name: flagNoIPC, Usage: "do not serve JSON-RPC on the unix socket"},
		&pathFlag{Category: api, Name: flagIPC, Usage: "`PATH` of the unix socket; a bare file name is in the data directory", Value: ipcFile},
		&cli.BoolFlag{Category: api, Name: flagHTTP, Usage: "serve JSON-RPC over HTTP"},
		&cli.BoolFlag{Category: api, Name: flagWS, Usage: "serve JSON-RPC over WebSocket, with the listener and namespaces of HTTP"},
		&cli.StringFlag{Category: api, Name: flagHTTPAddr, Usage: "`HOST` to listen on for HTTP and WebSocket", Value: "127.0.0.1"},
		&cli.IntFlag{Category: api, Name: flagHTTPPort, Usage: "`PORT` to listen on for HTTP and WebSocket; 0 chooses a free port", Value: 8545},
		&cli.StringFlag{Category: api, Name: flagHTTPAPI, Usage: "`NAMESPACES` to serve over HTTP and WebSocket, separated by commas; admin is allowed on loopback addresses only", Value: strings.Join(admin.DefaultNamespaces, ",")},
		&cli.StringFlag{Category: api, Name: flagHTTPCORS, Usage: "`ORIGINS` whose web pages may send HTTP requests, separated by commas; * for all"},
		&cli.StringFlag{Category: api, Name: flagHTTPHosts, Usage: "`HOSTS` that HTTP and WebSocket requests may name, separated by commas; * for all. IP addresses are always allowed", Value: "localhost"},
		&cli.StringFlag{Category: api, Name: flagWSOrigins, Usage: "`ORIGINS` whose web pages may open a WebSocket, separated by commas; * for all"},
	}
}

// adminOf returns where the node serves JSON-RPC. Its Available has every built-in protocol that
// can run and is not running, so that an operator can add it.
func (c *catalog) adminOf(cmd *cli.Command, running []protocols.Spec) (node.Admin, error) {
	var a node.Admin
	if !cmd.Bool(flagNoIPC) {
		a.IPC = ipcPath(cmd)
	}
	for _, p := range c.protocols {
		if p.err == nil && !slices.ContainsFunc(running, func(s protocols.Spec) bool { return s.Name == p.spec.Name }) {
			a.Available = append(a.Available, p.spec)
		}
	}
	if !cmd.Bool(flagHTTP) && !cmd.Bool(flagWS) {
		return a, nil
	}
	port := cmd.Int(flagHTTPPort)
	if port < 0 || port > 1<<16-1 {
		return a, fmt.Errorf("--%s %d: want 0 to 65535", flagHTTPPort, port)
	}
	host := strings.TrimSpace(cmd.String(flagHTTPAddr))
	if host == "" { // package net would listen on all addresses
		return a, fmt.Errorf("--%s is empty: want a host, such as 127.0.0.1 (0.0.0.0 is all addresses of IPv4, :: all addresses)", flagHTTPAddr)
	}
	a.HTTP = &node.AdminHTTP{
		Addr: net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port)),
		HTTP: cmd.Bool(flagHTTP), WebSocket: cmd.Bool(flagWS),
		Namespaces: words(cmd.String(flagHTTPAPI)), Hosts: words(cmd.String(flagHTTPHosts)),
		CORS: words(cmd.String(flagHTTPCORS)), Origins: words(cmd.String(flagWSOrigins)),
	}
	return a, a.HTTP.Check()
}

// ipcPath returns the path of the unix socket of the node with this data directory.
func ipcPath(cmd *cli.Command) string {
	path := cmd.String(flagIPC)
	if filepath.Base(path) == path {
		return filepath.Join(cmd.String(flagDataDir), path)
	}
	return path
}

// words splits a list at its commas and drops blanks and empty elements.
func words(list string) (words []string) {
	for w := range strings.SplitSeq(list, ",") {
		if w = strings.TrimSpace(w); w != "" {
			words = append(words, w)
		}
	}
	return words
}
