package execution

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redact returns what may be shown of a URL: its scheme and its host. User, password, path and query may
// be credentials. The path of a socket is shown.
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return "invalid URL"
	case u.Scheme == "":
		return rawURL
	}
	return u.Scheme + "://" + u.Host
}

// redactor takes credentials out of texts.
type redactor struct{ secrets []string }

func newRedactor(rawURL string) redactor {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme == "" {
		return redactor{}
	}
	r := redactor{secrets: []string{rawURL, u.String(), u.Redacted(), u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery}}
	if u.User != nil {
		password, _ := u.User.Password()
		r.secrets = append(r.secrets, u.User.String(), password, url.QueryEscape(password), u.User.Username())
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		r.secrets = append(r.secrets, part)
	}
	for _, values := range u.Query() {
		r.secrets = append(r.secrets, values...)
	}
	return r
}

// shortest is how long a secret must be to be searched for. A shorter one is part of many words.
const shortest = 4

// maxReason bounds the text of an error, in bytes. A node may answer with a whole page.
const maxReason = 300

// text returns an error's text without credentials, on one line. The errors of net/http name the URL.
func (r redactor) text(err error) string {
	var of *url.Error
	text := err.Error()
	if errors.As(err, &of) {
		text = strings.ReplaceAll(text, of.Error(), of.Err.Error())
	}
	for _, s := range r.secrets {
		if len(s) >= shortest {
			text = strings.ReplaceAll(text, s, "…")
		}
	}
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, " "))
	if len(text) > maxReason {
		text = text[:maxReason]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	return text
}
