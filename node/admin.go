package node

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/protocols"
)

const adminName = "admin"

// API is a JSON-RPC namespace and the value whose methods it serves, see [admin.API].
type API = admin.API

// AdminHTTP is what the node serves over TCP, and which clients may use it, see [admin.HTTP].
type AdminHTTP = admin.HTTP

// Admin is where the node serves JSON-RPC. With the zero value it serves none. docs/admin.md
// describes the methods.
type Admin struct {
	// IPC is the path of a unix socket that only the user who runs the node can open. The
	// customary path is node.ipc in the data directory. It serves all namespaces. Empty: none.
	IPC string
	// HTTP serves the namespaces that it lists, over HTTP or WebSocket. Nil: none.
	HTTP *AdminHTTP
	// APIs are served in addition to the node's own namespaces, which are admin, net and web3,
	// and those of protocols (protocols.Spec.API).
	APIs []API
	// Available are protocols that admin_addProtocol may add by name, in addition to those of
	// Config.Specs, which it may add again.
	Available []protocols.Spec
}

func (a Admin) serves() bool { return a.IPC != "" || a.HTTP != nil }

// checkAdmin returns an error if the configuration of the admin API is invalid.
func (n *Node) checkAdmin(mounted []*protocols.Mounted) error {
	a := n.cfg.Admin
	if a.HTTP != nil {
		if err := a.HTTP.Check(); err != nil {
			return err
		}
	}
	if a.HTTP != nil {
		if err := a.HTTP.CheckKnown(n.namespaces(mounted)); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	for _, s := range n.cfg.Specs {
		names[s.Name] = true
	}
	var errs []error
	for _, s := range a.Available {
		if names[s.Name] {
			errs = append(errs, fmt.Errorf("protocol %s is given twice", s.Name))
		}
		names[s.Name] = true
		errs = append(errs, s.Check())
	}
	return errors.Join(append(errs, n.checkAPIs(mounted))...)
}

// namespaces lists the namespaces that the node serves, or may serve when protocols are added.
func (n *Node) namespaces(mounted []*protocols.Mounted) (list []string) {
	for _, api := range n.apisOf(mounted) {
		list = append(list, api.Namespace)
	}
	for _, s := range n.cfg.Admin.Available {
		if s.API != nil {
			list = append(list, s.Name)
		}
	}
	return list
}

// checkAPIs returns an error if the namespaces of these protocols can't be served.
func (n *Node) checkAPIs(mounted []*protocols.Mounted) error {
	_, err := admin.NewServer(n.apisOf(mounted), nil)
	return err
}

// apisOf lists the namespaces that are served while these protocols run.
func (n *Node) apisOf(mounted []*protocols.Mounted) []API {
	list := []API{
		{Namespace: adminName, Service: &adminAPI{n}},
		{Namespace: "net", Service: &netAPI{n}},
		{Namespace: "web3", Service: &web3API{n}},
	}
	list = append(list, n.cfg.Admin.APIs...)
	for _, m := range mounted {
		if m.Spec.API != nil {
			list = append(list, API{Namespace: m.Spec.Name, Service: m.Spec.API})
		}
	}
	return list
}

func (n *Node) apis() []API { return n.apisOf(n.offer.Load().Mounted) }

// Attach returns a client in this process for all current namespaces. It does not need
// Config.Admin. The caller closes the client.
func (n *Node) Attach() (*rpc.Client, error) {
	server, err := admin.NewServer(n.apis(), nil)
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return rpc.DialInProc(server), nil
}

// AdminAddr returns the address of HTTP and WebSocket, as host:port. It is empty if they are
// not served.
func (n *Node) AdminAddr() string {
	if sockets := started(n, nil, func() *admin.Sockets { return n.adminSockets }); sockets != nil {
		return sockets.Addr()
	}
	return ""
}
