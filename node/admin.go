package node

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/node/admin"
	"github.com/troupe-p2p/troupe/protocols"
)

const adminName = "admin"

// API is a namespace of JSON-RPC with the value whose methods are served, see [admin.API].
type API = admin.API

// AdminHTTP says what is served by TCP, and to whom, see [admin.HTTP].
type AdminHTTP = admin.HTTP

// Admin says where the node is asked and commanded by JSON-RPC. The zero value: nowhere.
// docs/admin.md has the methods.
type Admin struct {
	// IPC is the path of a unix socket, for the node's owner alone; node.ipc in the data
	// directory is customary. It serves all namespaces. Empty: none.
	IPC string
	// HTTP serves the namespaces that it names by HTTP or WebSocket. Nil: none.
	HTTP *AdminHTTP
	// APIs are served beside the node's own namespaces, which are admin, net and web3, and
	// those of protocols (protocols.Spec.API).
	APIs []API
	// Available are protocols that admin_addProtocol may add, by name, beside those of
	// Config.Specs, which may come back.
	Available []protocols.Spec
}

func (a Admin) serves() bool { return a.IPC != "" || a.HTTP != nil }

// checkAdmin says what is wrong with the configuration of the admin API.
func (n *Node) checkAdmin(mounted []*protocols.Mounted) error {
	a := n.cfg.Admin
	if a.HTTP != nil {
		if err := a.HTTP.Check(); err != nil {
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

// checkAPIs says why the namespaces can't be served that come with these protocols.
func (n *Node) checkAPIs(mounted []*protocols.Mounted) error {
	_, err := admin.NewServer(n.apisOf(mounted), nil)
	return err
}

// apisOf lists what is served when these protocols run.
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

// Attach gives a client in this process, for all namespaces that there are now. It works
// without any Config.Admin. The caller closes it.
func (n *Node) Attach() (*rpc.Client, error) {
	server, err := admin.NewServer(n.apis(), nil)
	if err != nil {
		return nil, fmt.Errorf("attach: %w", err)
	}
	return rpc.DialInProc(server), nil
}

// AdminAddr is the address of HTTP and WebSocket, as host:port; empty if they are not served.
func (n *Node) AdminAddr() string {
	if sockets := started(n, nil, func() *admin.Sockets { return n.adminSockets }); sockets != nil {
		return sockets.Addr()
	}
	return ""
}
