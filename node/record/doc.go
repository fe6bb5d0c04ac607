// Package record keeps what the node announces of itself true: its signed record (EIP-778),
// the record's copy in the data directory, and the file that says how the node is reached.
//
// [Record] has the current record and everything it is made of. It is read from any
// goroutine; after the start only the announcer actor changes it. The announcer stands
// between the actors that find out addresses and the disk, so that no other actor waits for
// the disk.
//
// # Messages
//
//   - The NAT actor and the puncher call functions of [Record], which send the announcer
//     *addressFound, *natChanged and *punchChanged.
//   - The root sends *[PuncherUp] when the puncher has started, and calls [Record.NATGone] when
//     the NAT actor has stopped. Node's methods send *[Due] when protocols change.
//   - The announcer sends the puncher *punch.Mapped and *punch.Renewed.
//
// # Invariants
//
//   - The record has one writer, the announcer. It changes, with its sequence number, once
//     for each real change.
//   - An address comes from, in this order: the operator, the NAT actor, the one listening
//     address, what ten peers observe (go-ethereum's LocalNode), what a single neighbour
//     observes (the puncher), a public address of the machine, and loopback.
package record
