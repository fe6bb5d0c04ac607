package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rpc"

	"github.com/troupe-p2p/troupe/actors/supervise"
)

// The bounds of what clients can make the node hold.
const (
	// maxText is the size of one text that comes: a call or a batch, in bytes. A message of
	// Whisper of the default size limit fits, in hex.
	maxText = 4 << 20
	// maxBatch is how many calls a batch may have, maxAnswers how many bytes their results.
	maxBatch, maxAnswers = 1000, 16 << 20
	// maxConns is how many connections a listener serves at a time.
	maxConns = 32
	// maxCalls is how many texts of one connection may be under way, maxBytes how many bytes
	// of all connections.
	maxCalls, maxBytes = 16, 64 << 20
	// writeTimeout is how long a client may take for one text of ours.
	writeTimeout = 10 * time.Second
	// maxSubscriptions is how many subscriptions a connection may make in its life.
	maxSubscriptions = 64
)

// adminNamespace is the one that is for the node's owner alone.
const adminNamespace = "admin"

// API is a value whose exported methods are served, as namespace_method with a small first
// letter. They may take a context first; they return a result, an error, both or nothing. A
// method that returns (*rpc.Subscription, error) is what namespace_subscribe gives by its
// name. Methods are called from many goroutines at once.
type API struct {
	Namespace string
	Service   any
}

// HTTP says what is served by TCP: HTTP, WebSocket or both, on one listener.
type HTTP struct {
	// Addr is host:port to listen on. Port 0 takes one that is free.
	Addr string
	// HTTP and WebSocket say what to speak; at least one.
	HTTP, WebSocket bool
	// Namespaces are those to serve. None: [DefaultNamespaces].
	Namespaces []string
	// Hosts are the names under which browsers may call, in the Host header; addresses always
	// may. "*" stands for all. None: localhost. They are what keeps a web page from calling by
	// a name of its own that leads here.
	Hosts []string
	// CORS lists the origins whose web pages may call by HTTP, Origins those whose pages may
	// open a WebSocket, such as https://example.org; "*" stands for all. None: no page may.
	CORS, Origins []string
}

// DefaultNamespaces are what is served by TCP unless more is asked for: what harms nobody.
var DefaultNamespaces = []string{"net", "web3"}

func (h HTTP) namespaces() []string {
	if len(h.Namespaces) == 0 {
		return DefaultNamespaces
	}
	return h.Namespaces
}

// forOwner says whether namespace admin is served.
func (h HTTP) forOwner() bool { return slices.Contains(h.namespaces(), adminNamespace) }

// Check says what is wrong.
func (h HTTP) Check() error {
	if !h.HTTP && !h.WebSocket {
		return errors.New("neither HTTP nor WebSocket is to be spoken")
	}
	if _, _, err := net.SplitHostPort(h.Addr); err != nil {
		return fmt.Errorf("HTTP address: %w", err)
	}
	if !h.forOwner() {
		return nil
	}
	for what, list := range map[string][]string{"host": h.Hosts, "origin of HTTP": h.CORS, "origin of WebSocket": h.Origins} {
		if slices.Contains(list, "*") {
			return fmt.Errorf("namespace %s, and any %s allowed: every web page that the owner opens could command the node", adminNamespace, what)
		}
	}
	return nil
}

// checkBound wants a loopback address for what is the owner's.
func (h HTTP) checkBound(to net.Addr) error {
	tcp, ok := to.(*net.TCPAddr)
	if h.forOwner() && (!ok || !tcp.IP.IsLoopback()) {
		return fmt.Errorf("namespace %s on %v: want a loopback address, because whoever reaches it commands the node", adminNamespace, to)
	}
	return nil
}

// Config is what an actor serves, and where.
type Config struct {
	// IPC is the path of the unix socket. Empty: none.
	IPC string
	// HTTP is nil where nothing is served by TCP.
	HTTP *HTTP
	// APIs gives what is to be served now. It is called at the start and after [Changed].
	APIs func() []API

	Log     *slog.Logger
	Journal *supervise.Journal
}

// NewServer makes a JSON-RPC server of the APIs whose namespaces are listed; nil stands for
// all. It is an error if one has no methods to serve, or two have the same namespace.
func NewServer(apis []API, namespaces []string) (*rpc.Server, error) {
	s := rpc.NewServer()
	s.SetBatchLimits(maxBatch, maxAnswers)
	s.SetHTTPBodyLimit(maxText)
	seen := map[string]bool{rpc.MetadataApi: true}
	for _, a := range apis {
		switch {
		case a.Service == nil:
			return nil, fmt.Errorf("API %q: no service", a.Namespace)
		case a.Namespace == "" || strings.ContainsRune(a.Namespace, '_'):
			return nil, fmt.Errorf("API %q: a namespace has at least one letter, and no underscore", a.Namespace)
		case seen[a.Namespace]:
			return nil, fmt.Errorf("API %q: the namespace is taken", a.Namespace)
		}
		seen[a.Namespace] = true
		if namespaces != nil && !slices.Contains(namespaces, a.Namespace) {
			continue
		}
		if err := s.RegisterName(a.Namespace, a.Service); err != nil {
			return nil, fmt.Errorf("API %q: %w", a.Namespace, err)
		}
	}
	return s, nil
}
