package nat

import (
	"html"
	"regexp"
	"strings"
	"unicode"

	tokens "golang.org/x/net/html"
)

// tag is one start or end tag of a router's document.
type tag struct {
	name string // lower case, without the prefix of a name space
	end  bool
	text string // between the tag and the next one, trimmed; only where a next one follows
}

// maxTags bounds the tags of one document that are read. Large descriptions have 500.
const maxTags = 8 << 10

// tags returns the tags of a document with their texts. It takes a document as what it is meant to
// be: case and prefixes of names, attributes, undefined entities, tags that do not match, markup in
// texts and garbage around the document change nothing. So it uses a tokenizer for HTML, which has
// no syntax errors. A text that the end of the document cuts off is left out.
func tags(document string) (all []tag) {
	z := tokens.NewTokenizer(strings.NewReader(document))
	z.AllowCDATA(true)
	var text strings.Builder
	for {
		z.NextIsNotRawText() // no element of XML has the meaning that it has in HTML
		kind := z.Next()
		if kind == tokens.ErrorToken {
			return all // at the end; there is no other error
		}
		if kind == tokens.TextToken {
			raw := string(z.Raw())
			if cdata, ok := strings.CutPrefix(raw, "<![CDATA["); ok {
				text.WriteString(strings.TrimSuffix(cdata, "]]>"))
			} else {
				text.WriteString(entities.ReplaceAllStringFunc(raw, html.UnescapeString))
			}
			continue
		}
		if kind == tokens.CommentToken || kind == tokens.DoctypeToken {
			continue
		}
		if len(all) > 0 {
			all[len(all)-1].text = strings.TrimFunc(text.String(), blank)
		}
		text.Reset()
		if len(all) == maxTags {
			return all
		}
		name, _ := z.TagName()
		local := string(name[strings.LastIndexByte(string(name), ':')+1:])
		all = append(all, tag{name: local, end: kind == tokens.EndTagToken})
	}
}

// entities matches what may be an entity. html.UnescapeString alone also replaces names without a
// semicolon, which are frequent in URLs: "/control?a=1&copy=2".
var entities = regexp.MustCompile(`&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)

// blank reports whether r may be cut off around a value: some routers append a NUL.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\ufeff' }
