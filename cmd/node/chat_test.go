package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/troupe-p2p/troupe/protocols/chat"
)

// TestNextLine: a line of any length is one line, and an error of the input is never taken for its
// end.
func TestNextLine(t *testing.T) {
	broken := errors.New("broken")
	fits, long := strings.Repeat("x", chat.MaxLine), strings.Repeat("y", 70_000)
	for name, tt := range map[string]struct {
		in    io.Reader
		lines []string // "cut" is one that is too long
		err   error
	}{
		"two lines":         {strings.NewReader("a\nb\n"), []string{"a", "b"}, io.EOF},
		"no last line feed": {strings.NewReader("a\r\nb"), []string{"a", "b"}, io.EOF},
		"empty lines":       {strings.NewReader("\n\na"), []string{"", "", "a"}, io.EOF},
		"the longest":       {strings.NewReader(fits + "\r\n" + fits), []string{fits, fits}, io.EOF},
		"too long":          {strings.NewReader(long + "\n\nsecond"), []string{"cut", "", "second"}, io.EOF},
		"too long, no end":  {strings.NewReader(long), []string{"cut"}, io.EOF},
		"an error":          {io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), []string{"a", "b"}, broken},
	} {
		r := bufio.NewReaderSize(tt.in, chat.MaxLine+3)
		var lines []string
		line := nextLine(r)
		for ; line.err == nil && len(lines) < 9; line = nextLine(r) {
			if line.cut {
				line.text = "cut"
			}
			lines = append(lines, line.text)
		}
		if strings.Join(lines, "|") != strings.Join(tt.lines, "|") || !errors.Is(line.err, tt.err) {
			t.Errorf("%s: %d lines, then %v; want %d, then %v", name, len(lines), line.err, len(tt.lines), tt.err)
		}
	}
}

// TestChatSendsAllOrSaysSo: what was not sent is counted in the error, and what follows is sent.
func TestChatSendsAllOrSaysSo(t *testing.T) {
	p := start(t)
	for name, tt := range map[string]struct {
		input string
		code  int
		says  string
	}{
		"all sent":       {"hello\n", exitOK, ""},
		"70,000 bytes":   {strings.Repeat("y", 70_000) + "\n\nsecond\n", exitFailed, "1 of 2 lines were not sent"},
		"one byte more":  {strings.Repeat("y", chat.MaxLine+1) + "\nthird\n", exitFailed, "1 of 2 lines were not sent"},
		"not even UTF-8": {"\xff\n", exitFailed, "1 of 1 lines were not sent"},
	} {
		code, out, errs := shell(strings.NewReader(tt.input), "chat", p.enode)
		if code != tt.code || !strings.Contains(errs, tt.says) || strings.Contains(out, "not sent") != (code != exitOK) {
			t.Errorf("%s: exit %d, %q, %q; want %d, %q", name, code, out, errs, tt.code, tt.says)
		}
	}
	for _, line := range []string{"hello", "second", "third"} {
		p.awaitLog("line=" + line)
	}
	code, _, errs := shell(iotest.ErrReader(errors.New("broken")), "chat", p.enode)
	if code != exitFailed || !strings.Contains(errs, "reading the input: ") {
		t.Errorf("an input that fails: exit %d, %q", code, errs)
	}
}
