package datadir

import (
	"fmt"
	"path/filepath"
	"strings"
)

// protocolsDir has a directory for each protocol that keeps something.
const protocolsDir = "protocols"

// ProtocolDir is the directory of a protocol below a data directory. Names of protocols may
// have characters that file names should not have, and may differ in case alone. So all but
// lower-case letters, digits, - and _ is escaped, as in URLs.
func ProtocolDir(dataDir, protocol string) string {
	var name strings.Builder
	for _, c := range []byte(protocol) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	return filepath.Join(dataDir, protocolsDir, name.String())
}
