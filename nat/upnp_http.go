package nat

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/huin/goupnp"
)

const (
	// maxBody bounds a description or a SOAP answer, in bytes. Large descriptions have 20 kB.
	maxBody = 128 << 10
	// maxHeader bounds the HTTP header of an answer, in bytes.
	maxHeader = 16 << 10
)

// routerHTTP makes HTTP requests to one router only, without proxy and redirection, and with
// bounded answers.
type routerHTTP struct {
	host      netip.Addr
	transport *http.Transport
}

func newRouterHTTP(host, local netip.Addr) *routerHTTP {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	return &routerHTTP{host: host.Unmap(), transport: &http.Transport{
		DialContext: dialer.DialContext,
		// The small servers in routers handle keep-alive badly, and idle connections would need
		// care.
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		Proxy:                  nil,
	}}
}

func (r *routerHTTP) client() http.Client {
	return http.Client{Transport: r, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// failure carries an error of the transport to the caller, because goupnp converts errors to texts.
type failure struct{ err error }

type failureKey struct{}

// RoundTrip implements http.RoundTripper.
func (r *routerHTTP) RoundTrip(q *http.Request) (*http.Response, error) {
	a, err := r.roundTrip(q)
	if f, ok := q.Context().Value(failureKey{}).(*failure); ok {
		f.err = err
	}
	return a, err
}

func (r *routerHTTP) roundTrip(q *http.Request) (*http.Response, error) {
	if ip, err := netip.ParseAddr(q.URL.Hostname()); err != nil || ip.Unmap() != r.host || q.URL.Scheme != "http" {
		return nil, fmt.Errorf("refused request to %q: not the router %v", line(q.URL.Host), r.host)
	}
	a, err := r.transport.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	a.Body = &boundedBody{ReadCloser: a.Body, left: maxBody, ctx: q.Context()}
	return a, nil
}

// boundedBody fails if an answer is longer than allowed, and records read errors for the caller.
type boundedBody struct {
	io.ReadCloser
	left int
	ctx  context.Context
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.failed(&garbageError{fmt.Errorf("answer longer than %d bytes", maxBody)})
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	if err != nil && err != io.EOF {
		return n, b.failed(err)
	}
	return n, err
}

func (b *boundedBody) failed(err error) error {
	if f, ok := b.ctx.Value(failureKey{}).(*failure); ok {
		f.err = err
	}
	return err
}

// describeDevice fetches and parses the description of a device.
func (r *routerHTTP) describeDevice(ctx context.Context, place *url.URL) (*goupnp.RootDevice, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, place.String(), nil)
	if err != nil {
		return nil, err
	}
	c := r.client()
	a, err := c.Do(q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Body.Close() }()
	if a.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the router answers with status %d", a.StatusCode)
	}
	return parseDevice(a.Body, place)
}

// parseDevice parses a description. Its control URLs are resolved against the URL that it came
// from. The URLBase in a description is obsolete and wrong in many routers.
func parseDevice(body io.Reader, place *url.URL) (*goupnp.RootDevice, error) {
	root := new(goupnp.RootDevice)
	d := xml.NewDecoder(body)
	d.DefaultSpace = goupnp.DeviceXMLNamespace
	if err := d.Decode(root); err != nil {
		return nil, &garbageError{err}
	}
	root.SetURLBase(place)
	return root, nil
}
