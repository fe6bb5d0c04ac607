package nat

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
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

// httpClient returns a client that follows no redirection.
func httpClient(by http.RoundTripper) http.Client {
	return http.Client{Transport: by, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// failure carries an error of the transport to the caller, because goupnp converts errors to texts.
type failure struct{ err error }

type failureKey struct{}

// RoundTrip implements http.RoundTripper.
func (r *routerHTTP) RoundTrip(q *http.Request) (*http.Response, error) {
	a, err := r.roundTrip(q)
	return recorded(q, a, err)
}

// recorded returns the result of a round trip, and records its error for the caller.
func recorded(q *http.Request, a *http.Response, err error) (*http.Response, error) {
	if f, ok := q.Context().Value(failureKey{}).(*failure); ok {
		f.err = err
	}
	if err != nil {
		return nil, err
	}
	return a, nil
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

// describe fetches and parses the description of a device.
func (r *routerHTTP) describe(ctx context.Context, place *url.URL) (d description, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, place.String(), nil)
	if err != nil {
		return d, err
	}
	c := httpClient(r)
	a, err := c.Do(q)
	if err != nil {
		return d, err
	}
	defer func() { _ = a.Body.Close() }()
	if a.StatusCode != http.StatusOK {
		return d, &failedStatus{a.StatusCode}
	}
	raw, readErr := io.ReadAll(a.Body)
	d, err = parseDescription(decodeText(raw, a.Header.Get("Content-Type")), place)
	if readErr != nil && (err != nil || len(d.services) == 0) {
		return d, readErr // it is cut off before the services
	}
	return d, err
}
