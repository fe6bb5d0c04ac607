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

// Limits of what clients can make the node hold.
const (
	// maxText is the maximum size in bytes of one received text: a call or a batch. A Whisper
	// message of the default size limit fits, in hex.
	maxText = 4 << 20
	// maxBatch is the maximum number of calls in a batch, maxAnswers the maximum size of
	// their results in bytes.
	maxBatch, maxAnswers = 1000, 16 << 20
	// maxConns is the maximum number of concurrent connections of a listener.
	maxConns = 32
	// maxCalls is the maximum number of texts in progress on one connection, maxBytes the
	// maximum number of their bytes on all connections.
	maxCalls, maxBytes = 16, 64 << 20
	// writeTimeout is how long a client may take to read one text from the node.
	writeTimeout = 10 * time.Second
	// silence is how long a client may send nothing amid a text, textTimeout how long it may
	// take for the whole text.
	silence, textTimeout = 10 * time.Second, 30 * time.Second
	// maxSubscriptions is the maximum number of subscriptions over a connection's lifetime.
	maxSubscriptions = 64
)

// adminNamespace is the namespace that is for the node's owner only.
const adminNamespace = "admin"

// API is a value whose exported methods are served as namespace_method, with a lower-case
// first letter. A method may have a context as its first parameter. It returns a result, an
// error, both or nothing. A method that returns (*rpc.Subscription, error) is a subscription
// of namespace_subscribe, under the method's name. Methods are called concurrently.
type API struct {
	Namespace string
	Service   any
}

// HTTP configures the TCP listener, which serves HTTP, WebSocket or both.
type HTTP struct {
	// Addr is the host:port to listen on. Port 0 means any free port. Without a host, as in :8545,
	// it means all addresses, and so does [::]; 0.0.0.0 means all of IPv4.
	Addr string
	// HTTP and WebSocket enable the two protocols. At least one must be true.
	HTTP, WebSocket bool
	// Namespaces are the namespaces to serve. None: [DefaultNamespaces].
	Namespaces []string
	// Hosts are the host names that are accepted in the Host header; IP addresses are always
	// accepted. "*" means all. None: localhost. This prevents DNS rebinding: a web page can't
	// call the node under a name of its own that resolves to the node's address.
	Hosts []string
	// CORS lists the origins whose web pages may call by HTTP. Origins lists the origins
	// whose web pages may open a WebSocket. An origin is, for example, https://example.org;
	// "*" means all. None: no web page may.
	CORS, Origins []string
}

// ErrNamespace is the error for a namespace to serve that nothing provides.
var ErrNamespace = errors.New("unknown namespace")

// CheckKnown returns an error if a namespace to serve is none of these.
func (h HTTP) CheckKnown(known []string) error {
	for _, name := range h.Namespaces {
		if name != rpc.MetadataApi && !slices.Contains(known, name) {
			return fmt.Errorf("%w %q, known namespaces: %s", ErrNamespace, name, strings.Join(known, ", "))
		}
	}
	return nil
}

// DefaultNamespaces are the namespaces that TCP serves by default. They are harmless.
var DefaultNamespaces = []string{"net", "web3"}

func (h HTTP) namespaces() []string {
	if len(h.Namespaces) == 0 {
		return DefaultNamespaces
	}
	return h.Namespaces
}

// forOwner reports whether namespace admin is served.
func (h HTTP) forOwner() bool { return slices.Contains(h.namespaces(), adminNamespace) }

// Check returns an error if the configuration is invalid.
func (h HTTP) Check() error {
	if !h.HTTP && !h.WebSocket {
		return errors.New("neither HTTP nor WebSocket is enabled")
	}
	if _, _, err := net.SplitHostPort(h.Addr); err != nil {
		return fmt.Errorf("HTTP address: %w", err)
	}
	if !h.forOwner() {
		return nil
	}
	for what, list := range map[string][]string{"host": h.Hosts, "origin of HTTP": h.CORS, "origin of WebSocket": h.Origins} {
		if slices.Contains(list, "*") {
			return fmt.Errorf("namespace %s with any %s allowed: every web page that the owner opens could control the node", adminNamespace, what)
		}
	}
	return nil
}

// checkBound returns an error if namespace admin is served and to is not a loopback address.
func (h HTTP) checkBound(to net.Addr) error {
	tcp, ok := to.(*net.TCPAddr)
	if h.forOwner() && (!ok || !tcp.IP.IsLoopback()) {
		return fmt.Errorf("namespace %s on %v: want a loopback address, because a client of it controls the node", adminNamespace, to)
	}
	return nil
}

// Config configures the actor.
type Config struct {
	// IPC is the path of the unix socket. Empty: no socket.
	IPC string
	// IPCOptional says to serve without the socket, with a warning, where its directory can't be
	// written.
	IPCOptional bool
	// HTTP configures the TCP listener. Nil: no listener.
	HTTP *HTTP
	// APIs returns the values to serve. It is called at the start and after [Changed].
	APIs func() []API

	Log     *slog.Logger
	Journal *supervise.Journal
}

// NewServer makes a JSON-RPC server of the APIs whose namespaces are listed; nil means all.
// It fails if an API has no methods to serve or an invalid namespace, or if two APIs have
// the same namespace.
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
			return nil, fmt.Errorf("API %q: a namespace must not be empty or contain an underscore", a.Namespace)
		case seen[a.Namespace]:
			return nil, fmt.Errorf("API %q: the namespace is already in use", a.Namespace)
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
