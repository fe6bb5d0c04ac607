package torture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/wire"
)

// ErrNotOwned is the error for a node that has not been proved to be the user's own.
var ErrNotOwned = errors.New("refused: not proved to be your node")

// Target is a node to attack.
type Target struct {
	Node *enode.Node // with an IP address of this machine
	IPC  string      // path of the unix socket of that node
}

// askTimeout is how long the node may take to answer on its socket, and to do a handshake. A
// node that was attacked a moment ago may be slow.
const askTimeout = 20 * time.Second

// dialTimeout limits how long the node's system may take to accept a connection.
const dialTimeout = 5 * time.Second

// nodeInfo has the fields of admin_nodeInfo that matter here.
type nodeInfo struct {
	ID    string
	Name  string
	Caps  []string
	Ports struct{ Discovery, Listener int }
}

// process identifies a process of this machine. It is zero where the system does not say which
// process serves a socket.
type process struct {
	pid   int
	start string // distinguishes it from a later process with the same number
}

// owner is a target that is proved to be the user's own node.
type owner struct {
	Target
	process process
	caps    []wire.Cap
	udp     netip.AddrPort // of discovery; invalid if there is none
	tcp     netip.AddrPort
	// dial connects to tcp from a source address; invalid: the system chooses.
	dial func(ctx context.Context, from netip.Addr) (net.Conn, error)
}

// prove checks that the target is the user's own: the node with that ID serves a socket that
// only its user can open, and the address is one of the machine on which its process runs. It
// sends nothing to that address.
func prove(ctx context.Context, t Target) (*owner, error) {
	o := &owner{Target: t}
	if t.Node.Pubkey() == nil {
		return nil, fmt.Errorf("%w: the URL has no public key", ErrNotOwned)
	}
	at, ok := t.Node.TCPEndpoint()
	if !ok {
		return nil, fmt.Errorf("%w: the URL has no TCP endpoint with an IP address", ErrNotOwned)
	}
	o.tcp = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	o.dial = dialer(o.tcp)
	info, p, err := o.ask(ctx)
	if err != nil {
		return nil, err
	}
	o.process = p
	if err := p.has(o.tcp.Addr()); err != nil {
		return nil, err
	}
	for _, name := range info.Caps {
		c, err := parseCap(name)
		if err != nil {
			return nil, fmt.Errorf("the node's capabilities: %w", err)
		}
		o.caps = append(o.caps, c)
	}
	if port := info.Ports.Discovery; port != 0 {
		if t.Node.UDP() != port {
			return nil, fmt.Errorf("%w: the URL has the UDP port %d, and the node's is %d", ErrNotOwned, t.Node.UDP(), port)
		}
		o.udp = netip.AddrPortFrom(o.tcp.Addr(), uint16(port))
	}
	return o, nil
}

// still checks that the process that was proved still serves the socket.
func (o *owner) still(ctx context.Context) error {
	_, p, err := o.ask(ctx)
	if err == nil && p != o.process {
		err = fmt.Errorf("%w: another process serves %s now", ErrNotOwned, o.IPC)
	}
	return err
}

// ask asks the node on the socket who it is.
func (o *owner) ask(ctx context.Context) (*nodeInfo, process, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := dialIPC(ctx, o.IPC)
	if err != nil {
		return nil, process{}, err
	}
	defer c.close()
	p, err := processOf(c.conn)
	if err != nil {
		return nil, process{}, fmt.Errorf("which process serves %s: %w", o.IPC, err)
	}
	var info nodeInfo
	if err := c.CallContext(ctx, &info, "admin_nodeInfo"); err != nil {
		return nil, p, fmt.Errorf("%w: admin_nodeInfo on %s: %w", ErrNotOwned, o.IPC, err)
	}
	if want := o.Node.ID().String(); info.ID != want {
		return nil, p, fmt.Errorf("%w: the node on %s has the ID %s, the URL has %s", ErrNotOwned, o.IPC, info.ID, want)
	}
	return &info, p, nil
}

// greet does one handshake with the node, whose key then proves that the address leads to the
// node. It is the first that is sent to the address.
func (o *owner) greet(ctx context.Context, from []netip.Addr) error {
	c, err := o.dial(ctx, pick(from, 0))
	if err == nil {
		defer c.Close()
		defer context.AfterFunc(ctx, func() { _ = c.Close() })()
		_, err = encrypt(c, freshKey(), o.Node.Pubkey())
	}
	if err != nil {
		return fmt.Errorf("%w: no handshake with the node at %v: %w", ErrNotOwned, o.tcp, err)
	}
	return nil
}

// dialer returns a function that connects to an endpoint by TCP.
func dialer(to netip.AddrPort) func(context.Context, netip.Addr) (net.Conn, error) {
	return func(ctx context.Context, from netip.Addr) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
		if from.IsValid() {
			d.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
		}
		return d.DialContext(ctx, "tcp", to.String())
	}
}

// pick returns the nth address, in turn. It is invalid if there is none.
func pick(list []netip.Addr, nth int) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	return list[nth%len(list)]
}

// refuseForeign checks that an address is one of this machine. local are the machine's addresses.
// Loopback is this machine's if the node's process shares the network with this one.
func refuseForeign(addr netip.Addr, local []netip.Addr, sameNetwork bool) error {
	addr = addr.Unmap()
	switch {
	case addr.IsLoopback() && !sameNetwork:
		return fmt.Errorf("%w: %v is this network's loopback, and the node runs in another network namespace", ErrNotOwned, addr)
	case addr.IsLoopback():
		return nil
	case !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast():
		return fmt.Errorf("%w: %v is not the address of one machine", ErrNotOwned, addr)
	case !slices.Contains(local, addr.WithZone("")):
		return fmt.Errorf("%w: the node's machine does not have the address %v", ErrNotOwned, addr)
	}
	return nil
}

// ownAddrs lists the addresses of this process's network.
func ownAddrs() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p.Addr().Unmap().WithZone(""))
		}
	}
	return list, nil
}

// parseCap parses a capability such as "chat/1".
func parseCap(s string) (wire.Cap, error) {
	name, number, _ := strings.Cut(s, "/")
	version, err := strconv.ParseUint(number, 10, 32)
	if err != nil || name == "" {
		return wire.Cap{}, fmt.Errorf("%q is not NAME/VERSION", s)
	}
	return wire.Cap{Name: name, Version: uint(version)}, nil
}

// ipc is a client of a node's socket.
type ipc struct {
	*rpc.Client
	conn *net.UnixConn
}

func dialIPC(ctx context.Context, path string) (*ipc, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: no node serves the socket: %w", ErrNotOwned, err)
	}
	client, err := rpc.DialIO(ctx, conn, conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &ipc{client, conn.(*net.UnixConn)}, nil
}

func (c *ipc) close() {
	_ = c.conn.Close() // first, because Client.Close waits until there is nothing more to read
	c.Client.Close()
}
