package actors

import (
	"testing"
	"time"
)

func TestCooling(t *testing.T) {
	at := func(s float64) int64 { return int64(s * float64(time.Second)) }
	for _, tt := range []struct {
		name                         string
		now, received, sent, try     float64 // seconds; 0: never
		coldReader, coldWriter, held bool
		reader, writer               bool
		again                        float64
	}{
		{name: "fresh link", now: 0.001, again: 4.999},
		{name: "traffic both ways", now: 100, received: 99, sent: 98, again: 3},
		{name: "quiet for 5 s", now: 105, received: 100, sent: 100, reader: true, writer: true, again: 5},
		{name: "nothing received for 5 s", now: 105, received: 100, sent: 104, reader: true, again: 4},
		{name: "nothing sent for 5 s", now: 105, received: 103, sent: 100, writer: true, again: 3},
		{name: "tried a moment ago", now: 106, received: 100, sent: 100, try: 105, again: 4},
		{name: "tried 5 s ago", now: 110, received: 100, sent: 100, try: 105, reader: true, writer: true, again: 5},
		{name: "tried before the last traffic", now: 110, received: 109, sent: 108, try: 80, again: 3},
		{name: "cold", now: 110, received: 100, sent: 100, coldReader: true, coldWriter: true},
		{name: "cold reader", now: 110, received: 100, sent: 107, coldReader: true, again: 2},
		{name: "cold writer", now: 110, received: 107, sent: 100, coldWriter: true, again: 2},
		{name: "reader paused", now: 110, received: 100, sent: 109, held: true, again: 4},
		{name: "reader paused, cold writer", now: 110, received: 100, sent: 100, held: true, coldWriter: true, again: 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reader, writer, again := cooling{
				now: at(tt.now), lastReceived: at(tt.received), lastSent: at(tt.sent), lastTry: at(tt.try),
				readerWarm: !tt.coldReader, writerWarm: !tt.coldWriter, held: tt.held,
			}.next()
			if reader != tt.reader || writer != tt.writer || int64(again) != at(tt.again) {
				t.Errorf("reader %v, writer %v, again in %v; want %v, %v, %vs", reader, writer, again, tt.reader, tt.writer, tt.again)
			}
		})
	}
}
