package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/troupe-p2p/troupe/protocols"
)

// This file has the results of namespace admin as JSON. A field that go-ethereum also has has
// the same name and meaning here. The other fields are additions.

// nodeView is the result of admin_nodeInfo.
type nodeView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Enode string `json:"enode"` // for other nodes; for programs on this machine if no other node can reach the node
	ENR   string `json:"enr"`
	IP    string `json:"ip"` // of the record
	Ports struct {
		Discovery int `json:"discovery"`
		Listener  int `json:"listener"`
	} `json:"ports"`
	ListenAddr string                     `json:"listenAddr"` // empty for a node that only dials
	Protocols  map[string]json.RawMessage `json:"protocols"`

	Caps []string `json:"caps"` // the capabilities that the node offers
}

func (n *Node) nodeView() nodeView {
	info, self := n.Info(), n.Self()
	v := nodeView{
		ID: info.ID.String(), Name: info.Name, Enode: n.URL(), ENR: info.Record,
		ListenAddr: n.listenAddr(), Protocols: encodeAll(info.Protocols), Caps: info.Caps,
	}
	if v.Enode == "" {
		v.Enode = info.Enode
	}
	if ip := self.IPAddr(); ip.IsValid() {
		v.IP = ip.String()
	}
	v.Ports.Discovery, v.Ports.Listener = self.UDP(), self.TCP()
	return v
}

// peerView is an element of the result of admin_peers.
type peerView struct {
	Enode   string   `json:"enode"`
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Caps    []string `json:"caps"` // all capabilities that the peer offers
	Network struct {
		LocalAddress  string `json:"localAddress"`
		RemoteAddress string `json:"remoteAddress"`
		Inbound       bool   `json:"inbound"`
		Trusted       bool   `json:"trusted"`
		Static        bool   `json:"static"`
	} `json:"network"`
	Protocols map[string]json.RawMessage `json:"protocols"`

	Running   []string  `json:"running"` // the capabilities that run on the link
	Punched   bool      `json:"punched"` // the link was made by hole punching
	Connected time.Time `json:"connected"`
	RTT       float64   `json:"rttMs"` // of the last ping; 0 before the first
	Traffic   traffic   `json:"traffic"`
}

// traffic counts the traffic of a link since its handshake.
type traffic struct {
	BytesIn     uint64 `json:"bytesIn"`
	BytesOut    uint64 `json:"bytesOut"`
	MessagesIn  uint64 `json:"messagesIn"`
	MessagesOut uint64 `json:"messagesOut"`
}

func peerViewOf(p *PeerInfo) peerView {
	v := peerView{
		Enode: p.Enode, ID: p.ID.String(), Name: p.Name, Caps: p.Offered, Running: p.Caps, Punched: p.Punched,
		Protocols: encodeAll(p.Protocols), Connected: p.Since.UTC(), RTT: milliseconds(p.RTT),
		Traffic: traffic{p.BytesIn, p.BytesOut, p.MessagesIn, p.MessagesOut},
	}
	v.Network.LocalAddress, v.Network.RemoteAddress = addrString(p.LocalAddr), addrString(p.RemoteAddr)
	v.Network.Inbound, v.Network.Trusted, v.Network.Static = p.Inbound, p.Trusted, p.Static
	return v
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// addrString returns an address as text, empty if there is none.
func addrString(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// encodeAll encodes the information of protocols, by the protocol's name. It encodes each value
// by itself: a value that JSON can't represent must not hide the others.
func encodeAll(infos map[string]any) map[string]json.RawMessage {
	encoded := make(map[string]json.RawMessage, len(infos))
	for name, v := range infos {
		text, err := json.Marshal(v)
		if err != nil {
			text = fmt.Appendf(nil, "%q", "unknown")
		}
		encoded[name] = text
	}
	return encoded
}

// peerEvent is a notification of the subscription peerEvents.
type peerEvent struct {
	Type     string   `json:"type"` // add, drop, or failed: a connection that did not become a link
	Peer     enode.ID `json:"peer"` // zero if a connection failed before the remote sent its ID
	Error    string   `json:"error,omitempty"`
	Protocol string   `json:"protocol,omitempty"` // the protocol that ended the link, as name/version
	MsgCode  *uint64  `json:"msg_code,omitempty"` // of the last message that the protocol saw
	Local    string   `json:"local,omitempty"`
	Remote   string   `json:"remote,omitempty"`

	Time    time.Time `json:"time"`
	Name    string    `json:"name,omitempty"`
	Inbound bool      `json:"inbound"`
	Side    string    `json:"side,omitempty"`   // which side ended the link: local, remote, network
	Reason  string    `json:"reason,omitempty"` // the disconnect reason
	Missed  uint64    `json:"missed,omitempty"` // events right before this one that were dropped: the subscriber was too slow
}

// peerEventOf translates an event. ok is false if the event is not about a peer.
func peerEventOf(e *Event) (v peerEvent, ok bool) {
	v = peerEvent{
		Peer: e.Peer.ID, Local: addrString(e.Peer.LocalAddr), Remote: addrString(e.Peer.RemoteAddr),
		Time: e.Time.UTC(), Name: e.Peer.Name, Inbound: e.Peer.Inbound, Missed: e.Missed,
	}
	switch e.Kind {
	case PeerAdded:
		v.Type = "add"
	case PeerDropped:
		v.Type = "drop"
		if c := e.Cause; c != nil {
			v.Error, v.Protocol, v.Side, v.Reason = c.Error(), c.Protocol, c.Side.String(), c.Reason.String()
			if c.HasCode {
				v.MsgCode = &c.Code
			}
		}
	case SetupFailed:
		v.Type = "failed"
		if e.Err != nil {
			v.Error = e.Err.Error()
		}
	default:
		return v, false
	}
	return v, true
}

// protocolView is an element of the result of admin_protocols.
type protocolView struct {
	Name     string `json:"name"`
	Versions []uint `json:"versions"`
	Offered  bool   `json:"offered"` // to new links
	Links    int    `json:"links"`   // links that run the protocol; a removed protocol may still have some
}

func protocolViewOf(s *protocols.Spec, offered bool, links int) protocolView {
	v := protocolView{Name: s.Name, Offered: offered, Links: links}
	for _, version := range s.Versions {
		v.Versions = append(v.Versions, version.Number)
	}
	return v
}

// period is a length of time in JSON: a number of seconds, or text such as "1h30m".
type period time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (p *period) UnmarshalJSON(text []byte) error {
	var seconds float64
	if json.Unmarshal(text, &seconds) == nil {
		// A time.Duration can't hold more.
		if seconds < 0 || seconds > time.Duration(1<<63-1).Seconds() {
			return fmt.Errorf("invalid length of time: %v seconds", seconds)
		}
		*p = period(seconds * float64(time.Second))
		return nil
	}
	var words string
	if json.Unmarshal(text, &words) != nil {
		return errors.New(`invalid length of time: want seconds, or "1h30m"`)
	}
	d, err := time.ParseDuration(words)
	*p = period(d)
	return err
}
