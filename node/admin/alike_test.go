package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/rpc"
	"github.com/gorilla/websocket"
)

// big is a service with large answers.
type big struct{ notes *atomic.Int64 }

// Note is big_note: it counts its calls.
func (b big) Note() { b.notes.Add(1) }

// Text is big_text: a text of n bytes.
func (big) Text(n int) string { return strings.Repeat("x", n) }

// Count is the subscription count.
func (big) Count(ctx context.Context) (*rpc.Subscription, error) {
	notifier, _ := rpc.NotifierFromContext(ctx)
	return notifier.CreateSubscription(), nil
}

// call is a text that calls a method of the tests' services. params are without brackets.
func call(id, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"%s","params":[%s]}`, id, method, params)
}

func failed(id string, code int, message string) string {
	quoted, err := json.Marshal(message)
	if err != nil {
		panic(err) // impossible: a string
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`, id, code, quoted)
}

func got(id, result string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, id, result)
}

func batchOf(n int, text string) string { return "[" + strings.Repeat(text+",", n-1) + text + "]" }

// alikeRow is a text, and what is heard from all transports. The other fields say where one has to
// differ.
type alikeRow struct {
	text string
	want string // the answer; "" is none

	cut        bool     // the client's input ends with the text
	ends       string   // transports whose connection ends; HTTP's requests don't depend on each other
	status     int      // of HTTP; 0 is 200
	close      int      // code with which the WebSocket is closed
	onHTTP     string   // answer, in place of want
	onSocket   []string // answers, in place of want
	byClient   bool     // a client of package rpc can say it, too
	elementary bool     // the first element of the answer is the client's
}

const half = maxAnswers/2 + 1

var alikeRows = map[string]alikeRow{
	"a call":             {text: call("1", "toy_add", "2,3"), want: got("1", "5")},
	"a call amid space":  {text: " \n" + call("1", "toy_add", "2,3") + "\n ", want: got("1", "5")},
	"a call of id null":  {text: call("null", "toy_add", "2,3"), want: got("null", "5")},
	"no id":              {text: `{"jsonrpc":"2.0","method":"big_note"}`},
	"no id, but an ID":   {text: `{"jsonrpc":"2.0","ID":1,"method":"big_note"}`},
	"an answer":          {text: `{"jsonrpc":"2.0","id":1,"result":5}`},
	"a batch without id": {text: `[{"jsonrpc":"2.0","method":"big_note"}]`},
	"a batch partly without id": {
		text: `[{"jsonrpc":"2.0","method":"big_note"},` + call("1", "toy_add", "2,3") + `]`, want: "[" + got("1", "5") + "]",
	},
	"nothing": {text: ""},
	"space":   {text: " \n\t"},

	"not JSON": {
		text: `{"jsonrpc": nonsense}`, ends: "socket",
		want: failed("null", -32700, "parse error at byte 14: invalid character 'o' in literal null (expecting 'u')"),
	},
	"not JSON, after space": {
		text: "\n  <html>", ends: "socket",
		want: failed("null", -32700, "parse error at byte 1: invalid character '<' looking for beginning of value"),
	},
	"half a text": {
		text: `{"jsonrpc":"2.0"`, cut: true, ends: "socket",
		want: failed("null", -32700, "parse error at byte 16: unexpected end of JSON input"),
	},
	"too deep": {
		text: strings.Repeat("[", 20_000), ends: "socket",
		want: failed("null", -32700, "parse error at byte 10001: invalid character '[' exceeded max depth"),
	},
	"two texts": { // on the socket, they are two
		text:     call("1", "toy_add", "2,3") + call("2", "toy_add", "3,3"),
		want:     failed("null", -32700, "parse error at byte 59: invalid character '{' after top-level value"),
		onSocket: []string{got("1", "5"), got("2", "6")},
	},
	"too large": {
		text: call("1", "toy_add", `"`+strings.Repeat("x", maxText)+`"`), ends: "socket, WebSocket", status: 413, close: 1009,
		want: failed("null", -32600, "text of more than 4194304 bytes"),
	},

	"a number":            {text: `5`, want: failed("null", -32600, "invalid request")},
	"a huge number":       {text: `1e999`, want: failed("null", -32600, "invalid request")},
	"a string":            {text: `"call"`, want: failed("null", -32600, "invalid request")},
	"null":                {text: `null`, want: failed("null", -32600, "invalid request")},
	"an empty object":     {text: `{}`, want: failed("null", -32600, "invalid request")},
	"no method":           {text: `{"jsonrpc":"2.0","id":1}`, want: failed("1", -32600, "invalid request")},
	"no version":          {text: `{"id":1,"method":"toy_add","params":[2,3]}`, want: failed("1", -32600, "invalid request")},
	"no version nor id":   {text: `{"method":"toy_add","params":[2,3]}`, want: failed("null", -32600, "invalid request")},
	"an id that is none":  {text: call("{}", "toy_add", "2,3"), want: failed("null", -32600, "invalid request")},
	"a method of numbers": {text: `{"jsonrpc":"2.0","id":1,"method":5}`, want: failed("1", -32600, "invalid request")},
	"an empty batch":      {text: `[]`, want: failed("null", -32600, "empty batch")},
	"a batch of numbers":  {text: `[1,2]`, want: "[" + failed("null", -32600, "invalid request") + "," + failed("null", -32600, "invalid request") + "]"},
	"batch too long": {
		text: batchOf(maxBatch+1, call("7", "toy_add", "2,3")), byClient: true, elementary: true,
		want: "[" + failed("7", -32600, "batch too large") + "]",
	},
	"batch of numbers too long": {text: batchOf(maxBatch+1, "0"), want: "[" + failed("null", -32600, "batch too large") + "]"},

	"unknown method": {
		text: call("1", "toy_none", ""), byClient: true,
		want: failed("1", -32601, "the method toy_none does not exist/is not available"),
	},
	"unknown namespace": {
		text: call("1", "none_add", ""), byClient: true,
		want: failed("1", -32601, "the method none_add does not exist/is not available"),
	},
	"unknown subscription": { // HTTP has no way to notify
		text: call("1", "big_subscribe", `"none"`), want: failed("1", -32601, `no "none" subscription in big namespace`),
		onHTTP: failed("1", -32601, "notifications not supported"),
	},
	"endless method": {
		text: call("1", strings.Repeat("m", 2049), ""), byClient: true,
		want: failed("1", -32600, "method name too long: 2049 > 2048"),
	},
	"parameter missing":    {text: call("1", "toy_add", "2"), byClient: true, want: failed("1", -32602, "missing value for required argument 1")},
	"parameter too many":   {text: call("1", "toy_add", "2,3,4"), byClient: true, want: failed("1", -32602, "too many arguments, want at most 2")},
	"parameters of a name": {text: `{"jsonrpc":"2.0","id":1,"method":"toy_add","params":{"a":2}}`, want: failed("1", -32602, "non-array args")},
	"parameter of another type": {
		text: call("1", "toy_add", `2,"3"`), byClient: true,
		want: failed("1", -32602, "invalid argument 1: json: cannot unmarshal string into Go value of type int"),
	},
	"answer too large": {
		text: "[" + call("1", "big_text", fmt.Sprint(half)) + "," + call("2", "big_text", fmt.Sprint(half)) + "," + call("3", "toy_add", "2,3") + "]",
		want: "[" + got("1", `"LONG"`) + "," + got("2", `"LONG"`) + "," + failed("3", -32003, "response too large") + "]",
	},
}

// All transports answer all texts alike: with the same code, text and ID. Where one has to differ,
// the row says so.
func TestTransportsAnswerAlike(t *testing.T) {
	path := socketIn(t)
	notes := new(atomic.Int64)
	apis := []API{{Namespace: "toy", Service: toy{}}, {Namespace: "big", Service: big{notes}}}
	o := serve(t, Config{
		APIs: func() []API { return apis }, IPC: path,
		HTTP: &HTTP{Addr: "127.0.0.1:0", HTTP: true, WebSocket: true, Namespaces: []string{"toy", "big"}},
	})
	server, err := NewServer(apis, nil)
	if err != nil {
		t.Fatal(err)
	}
	inProcess := rpc.DialInProc(server)
	defer inProcess.Close()
	for name, row := range alikeRows {
		t.Run(name, func(t *testing.T) {
			want := []string{row.want}
			if row.want == "" {
				want = nil
			}
			t.Run("HTTP", func(t *testing.T) {
				status, answer, _ := post(t, "http://"+o.sockets.Addr(), row.text)
				expect(t, cond(row.onHTTP != "", []string{row.onHTTP}, want), cond(answer == "", nil, []string{answer}))
				if want := max(row.status, http.StatusOK); status != want {
					t.Errorf("status %d, want %d", status, want)
				}
			})
			t.Run("socket", func(t *testing.T) {
				answers, ended := overSocket(t, path, row)
				expect(t, cond(row.onSocket != nil, row.onSocket, want), answers)
				if wantEnd := strings.Contains(row.ends, "socket"); ended != wantEnd {
					t.Errorf("the connection ended: %v, want %v", ended, wantEnd)
				}
			})
			t.Run("WebSocket", func(t *testing.T) {
				answers, code := overWebSocket(t, "ws://"+o.sockets.Addr(), row, len(want))
				expect(t, want, answers)
				if code != row.close {
					t.Errorf("closed with code %d, want %d", code, row.close)
				}
			})
			if row.byClient {
				t.Run("in process", func(t *testing.T) { expectOfClient(t, inProcess, row) })
			}
		})
	}
	if n := notes.Load(); n != 0 {
		t.Errorf("%d calls without an id were run", n)
	}
}

func cond[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

func expect(t *testing.T, want, answers []string) {
	t.Helper()
	for i, a := range answers {
		answers[i] = strings.ReplaceAll(strings.TrimSpace(a), strings.Repeat("x", half), "LONG")
	}
	slices.Sort(answers) // calls run side by side
	if !slices.Equal(answers, want) {
		t.Errorf("heard %.1000q\nwant  %.1000q", answers, want)
	}
}

// probe is a call that shows whether the connection is open.
var probe, probed = call(`"probe"`, "toy_add", "1,1"), got(`"probe"`, "2")

const patience = time.Minute

// overSocket says a text, and then the probe.
func overSocket(t *testing.T, path string, row alikeRow) (answers []string, ended bool) {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	said := make(chan error, 1)
	go func() {
		texts := row.text
		if !row.cut {
			texts += "\n" + probe
		}
		_, err := io.WriteString(conn, texts)
		said <- errors.Join(err, conn.(*net.UnixConn).CloseWrite())
	}()
	ended = true
	for in := json.NewDecoder(conn); ; {
		var answer json.RawMessage
		err := in.Decode(&answer)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			t.Fatal(err)
		case err != nil:
			if err := <-said; err != nil {
				t.Errorf("the client can't say its text: %v", err)
			}
			return answers, ended
		case string(answer) == probed:
			ended = false
		default:
			answers = append(answers, string(answer))
		}
	}
}

// overWebSocket says a text, and then the probe. It returns the code with which the node closes,
// 0 if it does not.
func overWebSocket(t *testing.T, url string, row alikeRow, want int) (answers []string, code int) {
	t.Helper()
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	said := make(chan error, 1)
	go func() {
		err := conn.WriteMessage(websocket.TextMessage, []byte(row.text))
		if err == nil && row.close == 0 {
			err = conn.WriteMessage(websocket.TextMessage, []byte(probe))
		}
		said <- err
	}()
	for open := false; !open || len(answers) < want; {
		_, answer, err := conn.ReadMessage()
		closed := new(websocket.CloseError)
		switch {
		case errors.As(err, &closed):
			code = closed.Code
			open, want = true, 0
		case err != nil:
			t.Fatal(err)
		case strings.TrimSpace(string(answer)) == probed:
			open = true
		default:
			answers = append(answers, string(answer))
		}
	}
	if err := <-said; err != nil {
		t.Errorf("the client can't say its text: %v", err)
	}
	return answers, code
}

// expectOfClient says a text by a client of package rpc.
func expectOfClient(t *testing.T, c *rpc.Client, row alikeRow) {
	t.Helper()
	type texts struct {
		Method string
		Params []any
		Error  struct {
			Code    int
			Message string
		}
	}
	var (
		calls []texts
		want  texts
		err   error
	)
	if row.elementary {
		var answers []texts
		decode(t, row.text, &calls)
		decode(t, row.want, &answers)
		want = answers[0]
		elements := make([]rpc.BatchElem, len(calls))
		for i, c := range calls {
			elements[i] = rpc.BatchElem{Method: c.Method, Args: c.Params, Result: new(any)}
		}
		if err := c.BatchCallContext(t.Context(), elements); err != nil {
			t.Fatal(err)
		}
		err = elements[0].Error
	} else {
		var one texts
		decode(t, row.text, &one)
		decode(t, row.want, &want)
		err = c.CallContext(t.Context(), nil, one.Method, one.Params...)
	}
	var coded rpc.Error
	if !errors.As(err, &coded) || coded.ErrorCode() != want.Error.Code || coded.Error() != want.Error.Message {
		t.Errorf("%v, want %d %s", err, want.Error.Code, want.Error.Message)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
