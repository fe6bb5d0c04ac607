package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/troupe-p2p/troupe/node"
	"github.com/troupe-p2p/troupe/protocols/chat"
)

const (
	flagFor    = "for"
	flagReason = "reason"

	defaultBan = 24 * time.Hour
)

// list calls a method and prints the result as JSON, or as a table with the rows of its elements.
func list[T any](ctx context.Context, cmd *cli.Command, method string, rows func(elements []T) [][]string) error {
	if _, err := onlyArgs(cmd, 0); err != nil {
		return err
	}
	var text json.RawMessage
	if err := ask(ctx, cmd, &text, method); err != nil {
		return err
	}
	if cmd.Bool(flagJSON) {
		return printJSON(cmd.Root().Writer, text)
	}
	var elements []T
	if err := json.Unmarshal(text, &elements); err != nil {
		return err
	}
	printTable(cmd.Root().Writer, rows(elements))
	return nil
}

// peer has the fields of an element of admin_peers that the list shows.
type peer struct {
	ID, Name string
	Running  []string
	Punched  bool
	Network  struct {
		RemoteAddress            string
		Inbound, Static, Trusted bool
	}
	Connected time.Time
	RTT       float64 `json:"rttMs"`
}

func listPeers(ctx context.Context, cmd *cli.Command) error {
	return list(ctx, cmd, "admin_peers", func(peers []peer) [][]string {
		slices.SortFunc(peers, func(a, b peer) int { return a.Connected.Compare(b.Connected) })
		rows := [][]string{{"ID", "DIRECTION", "ADDRESS", "SINCE", "RTT", "PROTOCOLS", "CLIENT"}}
		for _, p := range peers {
			rows = append(rows, []string{p.ID[:min(16, len(p.ID))], p.direction(), p.Network.RemoteAddress,
				p.Connected.Local().Format(time.DateTime), p.rtt(), strings.Join(p.Running, " "), chat.Printable(p.Name)})
		}
		return rows
	})
}

// direction returns which side dialed, whether the link goes through a punched hole, and whether
// the peer is static or trusted.
func (p *peer) direction() string {
	text := "outbound"
	if p.Network.Inbound {
		text = "inbound"
	}
	if p.Punched {
		text += ", punched"
	}
	if p.Network.Static {
		text += ", static"
	}
	if p.Network.Trusted {
		text += ", trusted"
	}
	return text
}

func (p *peer) rtt() string {
	if p.RTT == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", p.RTT)
}

func listBans(ctx context.Context, cmd *cli.Command) error {
	return list(ctx, cmd, "admin_bans", func(bans []node.Ban) [][]string {
		slices.SortFunc(bans, func(a, b node.Ban) int { return cmp.Compare(a.Target.String(), b.Target.String()) })
		rows := [][]string{{"TARGET", "UNTIL", "BY", "REASON"}}
		for _, b := range bans {
			by := "operator"
			if b.Automatic {
				by = "node"
			}
			until := "unban"
			if !b.Until.IsZero() {
				until = b.Until.Local().Format(time.DateTime)
			}
			rows = append(rows, []string{b.Target.String(), until, by, chat.Printable(b.Reason)})
		}
		return rows
	})
}

// target returns the one argument of ban and unban. The node finds the peer whose ID begins with it.
func target(cmd *cli.Command) (string, error) {
	arg, err := onlyArgs(cmd, 1)
	if err != nil {
		return "", err
	}
	if _, err := node.ParseBanTarget(arg); err != nil && strings.Trim(arg, "0123456789abcdefABCDEF") != "" {
		return "", usage(err)
	}
	return arg, nil
}

func ban(ctx context.Context, cmd *cli.Command) error {
	t, err := target(cmd)
	if err != nil {
		return err
	}
	var banned bool
	return ask(ctx, cmd, &banned, "admin_ban", t, cmd.Duration(flagFor).String(), cmd.String(flagReason))
}

// unban lifts a ban. The exit code is 3 if there was no such ban.
func unban(ctx context.Context, cmd *cli.Command) error {
	t, err := target(cmd)
	if err != nil {
		return err
	}
	var was bool
	if err := ask(ctx, cmd, &was, "admin_unban", t); err != nil {
		return err
	}
	if !was {
		return &failure{fmt.Errorf("there is no ban on %s", t), exitRefused}
	}
	return nil
}

// protocol is an element of the result of admin_protocols.
type protocol struct {
	Name     string
	Versions []uint
	Offered  bool
	Links    int
}

func listProtocols(ctx context.Context, cmd *cli.Command) error {
	return list(ctx, cmd, "admin_protocols", func(protocols []protocol) [][]string {
		rows := [][]string{{"PROTOCOL", "OFFERED", "LINKS"}}
		for _, p := range protocols {
			offered := "no"
			if p.Offered {
				offered = "yes"
			}
			versions := strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Versions), " ", ","), "[]")
			rows = append(rows, []string{p.Name + "/" + versions, offered, strconv.Itoa(p.Links)})
		}
		return rows
	})
}

// changeProtocols returns an action that calls method with the name of one protocol.
func changeProtocols(method string) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		name, err := onlyArgs(cmd, 1)
		if err != nil {
			return err
		}
		var changed bool
		return ask(ctx, cmd, &changed, method, name)
	}
}
