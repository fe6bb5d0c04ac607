package nat

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// description is what a device says about itself.
type description struct {
	name, model string
	services    []wanService // the best first
}

// wanService is a service that maps ports.
type wanService struct {
	urn      string // the service type, spelled as in the description
	kind     string // in the usual spelling: "WANIPConnection" or "WANPPPConnection"
	version  int
	controls []*url.URL // where it may be, the most probable first
}

// rank returns the order of preference among services; 0 is the best.
func (s wanService) rank() int {
	switch {
	case s.kind == wanPPP:
		return 2
	case s.version >= 2:
		return 0
	}
	return 1
}

const (
	wanIP  = "WANIPConnection"
	wanPPP = "WANPPPConnection"
)

// parseService parses a service type. ok is false if the service maps no ports. Old devices have
// "urn:dslforum-org:service:WANIPConnection:1" for the same service.
func parseService(urn string) (s wanService, ok bool) {
	parts := strings.Split(urn, ":")
	if len(parts) < 3 || !strings.EqualFold(parts[len(parts)-3], "service") {
		return s, false
	}
	version, err := strconv.Atoi(parts[len(parts)-1])
	if err != nil || version < 1 {
		return s, false
	}
	for _, kind := range []string{wanIP, wanPPP} {
		if strings.EqualFold(parts[len(parts)-2], kind) {
			return wanService{urn: urn, kind: kind, version: version}, true
		}
	}
	return s, false
}

// parseDescription parses a description that came from the given URL.
func parseDescription(document string, place *url.URL) (d description, err error) {
	var base, urn, control string
	device := false
	for _, t := range tags(document) {
		if t.end {
			if t.name == "service" {
				if s, ok := parseService(urn); ok {
					s.controls = []*url.URL{nil} // resolved below: the base may come last
					s.controls[0] = &url.URL{Opaque: control}
					d.services = append(d.services, s)
				}
				urn, control = "", ""
			}
			continue
		}
		switch t.name {
		case "device":
			device = true
		case "urlbase":
			base = t.text
		case "friendlyname": // that of the root device is the first
			d.name = firstText(d.name, t.text)
		case "modelname":
			d.model = firstText(d.model, t.text)
		case "servicetype":
			urn = t.text
		case "controlurl":
			control = t.text
		}
	}
	if !device {
		return d, &garbageError{errors.New("not the description of a device")}
	}
	for i := range d.services {
		d.services[i].controls = controlURLs(place, base, d.services[i].controls[0].Opaque)
	}
	d.services = slices.DeleteFunc(d.services, func(s wanService) bool { return len(s.controls) == 0 })
	slices.SortStableFunc(d.services, func(a, b wanService) int { return a.rank() - b.rank() })
	return d, nil
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// controlURLs returns where a service may be, the most probable URL first, all at the host of the
// description. A path without a leading slash means the root of the host to the clients that routers
// are tested with, and the folder of the description or of URLBase to the standard. URLBase is
// obsolete, and the address in it or in a control URL may be another one of the router, or none.
func controlURLs(place *url.URL, base, control string) (all []*url.URL) {
	add := func(u *url.URL, port string) {
		if !strings.EqualFold(u.Scheme, "http") {
			return
		}
		at := &url.URL{Scheme: "http", Host: place.Hostname(), Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
		if port != "" {
			at.Host = net.JoinHostPort(at.Host, port)
		}
		if at.Path == "" {
			at.Path = "/"
		}
		if !slices.ContainsFunc(all, func(b *url.URL) bool { return *b == *at }) {
			all = append(all, at)
		}
	}
	u, err := url.Parse(control)
	if err != nil || control == "" || u.Opaque != "" {
		return nil
	}
	if u.IsAbs() || u.Host != "" {
		full := place.ResolveReference(u)
		add(full, full.Port())
		add(full, place.Port())
		return all
	}
	if !strings.HasPrefix(control, "/") {
		if root, err := url.Parse("/" + control); err == nil {
			add(place.ResolveReference(root), place.Port())
		}
	}
	add(place.ResolveReference(u), place.Port())
	if b, err := url.Parse(base); err == nil && b.IsAbs() && b.Opaque == "" {
		add(b.ResolveReference(u), b.Port())
	}
	return all
}
