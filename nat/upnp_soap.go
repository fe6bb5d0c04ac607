package nat

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// soapValues maps the lower case names of the values that are read from answers to their usual
// spelling, which goupnp requires.
var soapValues = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"NewConnectionStatus", "NewEnabled", "NewExternalIPAddress", "NewExternalPort", "NewInternalClient",
		"NewInternalPort", "NewLastConnectionError", "NewLeaseDuration", "NewPortMappingDescription",
		"NewProtocol", "NewRemoteHost", "NewReservedPort", "NewUptime",
	} {
		m[strings.ToLower(name)] = name
	}
	return m
}()

// soapValue returns a value in the form that goupnp requires. A router that reports no time reports
// an empty one, or a word.
func soapValue(name, text string) string {
	switch name {
	case "NewLeaseDuration", "NewUptime":
		if _, err := strconv.ParseUint(text, 10, 32); err != nil {
			return "0"
		}
	case "NewEnabled":
		if text == "" {
			return "1" // the entry exists
		}
		return strings.ToLower(text)
	}
	return text
}

// soapAnswer is the answer to a call.
type soapAnswer struct {
	whole  bool // it is not cut off
	fault  bool
	code   string // of a UPnP error
	words  string
	names  []string // of the values, in their usual spelling
	values []string
}

// parseSOAP parses an answer. ok is false if the document is something else.
func parseSOAP(document string) (a soapAnswer, ok bool) {
	for _, t := range tags(document) {
		switch {
		case t.end:
			a.whole = a.whole || t.name == "envelope" || t.name == "body" || strings.HasSuffix(t.name, "response")
		case t.name == "envelope":
			ok = true
		case t.name == "fault", t.name == "upnperror":
			ok, a.fault, a.whole = true, true, true
		case t.name == "errorcode":
			a.code = firstText(a.code, t.text)
		case t.name == "errordescription", t.name == "faultstring":
			if t.text != "" {
				a.words = t.text // the description is more precise, and comes later
			}
		default:
			if name := soapValues[t.name]; name != "" {
				a.names, a.values = append(a.names, name), append(a.values, soapValue(name, t.text))
			}
		}
	}
	return a, ok
}

// document returns the answer as the XML that goupnp reads.
func (a soapAnswer) document() []byte {
	var b bytes.Buffer
	element := func(name, text string) {
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(&b, []byte(text)) // a bytes.Buffer never fails
		b.WriteString("</" + name + ">")
	}
	b.WriteString(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`)
	if a.fault {
		b.WriteString("<s:Fault><detail><UPnPError>")
		if _, err := strconv.Atoi(a.code); err == nil {
			element("errorCode", a.code)
		}
		element("errorDescription", a.words)
		b.WriteString("</UPnPError></detail></s:Fault>")
	} else {
		b.WriteString("<Response>")
		for i, name := range a.names {
			element(name, a.values[i])
		}
		b.WriteString("</Response>")
	}
	b.WriteString("</s:Body></s:Envelope>")
	return b.Bytes()
}

// soapTransport carries the calls to one service of a router. It replaces the service type that
// goupnp knows by the one in the description, and what a router answers by what goupnp reads.
type soapTransport struct {
	http      http.RoundTripper
	known, is string // service types
}

// RoundTrip implements http.RoundTripper.
func (s *soapTransport) RoundTrip(q *http.Request) (*http.Response, error) {
	q, err := s.request(q)
	if err != nil {
		return nil, err
	}
	a, err := s.http.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	return recorded(q, a, cleanAnswer(a))
}

// request returns q with the service type of the description.
func (s *soapTransport) request(q *http.Request) (*http.Request, error) {
	if s.is == s.known || q.Body == nil {
		return q, nil
	}
	body, err := io.ReadAll(q.Body)
	if cerr := q.Body.Close(); err != nil || cerr != nil {
		return nil, errors.Join(err, cerr)
	}
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(s.is))
	body = bytes.Replace(body, []byte(s.known), escaped.Bytes(), 1)
	q = q.Clone(q.Context())
	for _, values := range q.Header {
		for i := range values {
			values[i] = strings.Replace(values[i], s.known, line(s.is), 1)
		}
	}
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return q, nil
}

// failedStatus is an answer without a UPnP error and with an HTTP status that means one.
type failedStatus struct{ status int }

func (f *failedStatus) Error() string {
	return "the router answers with HTTP status " + strconv.Itoa(f.status)
}

// cleanAnswer replaces the body of an answer by one that goupnp reads. Some routers announce a
// length that is not the body's: an answer that is there as a whole counts.
func cleanAnswer(a *http.Response) error {
	raw, readErr := io.ReadAll(a.Body)
	if err := a.Body.Close(); err != nil && readErr == nil {
		readErr = err
	}
	soap, ok := parseSOAP(decodeText(raw, a.Header.Get("Content-Type")))
	switch {
	case readErr != nil && !(ok && soap.whole):
		return readErr // also of an answer that is longer than allowed
	case !soap.fault && a.StatusCode != http.StatusOK:
		return &failedStatus{a.StatusCode}
	case !ok:
		return &garbageError{errors.New("not an answer to the call: " + firstText(line(string(raw)), "nothing"))}
	case !soap.whole:
		return &garbageError{errors.New("the answer is cut off: " + line(string(raw)))}
	}
	clean := soap.document()
	a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(clean)), int64(len(clean))
	a.TransferEncoding = nil
	return nil
}
