package nat

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

var (
	bomUTF8    = []byte("\xef\xbb\xbf")
	bomLittle  = []byte("\xff\xfe")
	bomBig     = []byte("\xfe\xff")
	openLittle = []byte("<\x00")
	openBig    = []byte("\x00<")
)

// declared matches the encoding in an XML declaration.
var declared = regexp.MustCompile(`<\?xml[^>]{0,200}\sencoding\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})`)

// decodeText returns a document of a router as UTF-8. Routers declare encodings wrongly, so the bytes
// decide first: a byte order mark, UTF-16, and valid UTF-8 are what they look like. Otherwise the
// encoding is the one that the XML declaration names, else the one of the HTTP header Content-Type,
// else windows-1252, in which every byte is a character. All encodings but UTF-16 have the markup in
// ASCII, so that a wrong guess spoils names only.
func decodeText(b []byte, contentType string) string {
	switch {
	case bytes.HasPrefix(b, bomUTF8):
		b = b[len(bomUTF8):]
	case bytes.HasPrefix(b, bomLittle), bytes.HasPrefix(b, openLittle):
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), b)
	case bytes.HasPrefix(b, bomBig), bytes.HasPrefix(b, openBig):
		return decodeWith(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), b)
	}
	escapes := bytes.IndexByte(b, 0x1b) >= 0 // ISO-2022-JP looks like ASCII
	if utf8.Valid(b) && !escapes {
		return string(b)
	}
	var names []string
	if m := declared.FindSubmatch(b[:min(len(b), 512)]); m != nil {
		names = append(names, string(m[1]))
	}
	if _, params, err := mime.ParseMediaType(contentType); err == nil {
		names = append(names, params["charset"])
	}
	for _, name := range names {
		e, err := htmlindex.Get(name)
		if err != nil {
			continue
		}
		// These are what the bytes are not.
		if name, err = htmlindex.Name(e); err == nil && !strings.HasPrefix(name, "utf-") && name != "replacement" {
			return decodeWith(e, b)
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return decodeWith(charmap.Windows1252, b)
}

// decodeWith decodes b. Bytes that the encoding does not have become U+FFFD.
func decodeWith(e encoding.Encoding, b []byte) string {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	return string(out)
}
