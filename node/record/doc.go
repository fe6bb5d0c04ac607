// Package record keeps the node's signed record (EIP-778) up to date, together with the record's
// copy in the data directory and the file with the NAT status.
//
// [Record] has the current record and everything it is made of. Any goroutine may read it.
// After the start only the announcer actor changes it. The actors that find addresses pass them
// to the announcer, which alone writes to the disk, so that no other actor waits for it.
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
//   - A file that can't be written is logged once, and tried again every five seconds. Without a
//     node database on the disk, discovery has one in memory.
//   - The record has one writer, the announcer. Its sequence number changes only if its content
//     does.
//   - The sources of an address, best first: the operator, the NAT actor, the one listening
//     address, ten peers that observe the same address (go-ethereum's LocalNode), a single
//     neighbour that observes it (the puncher), a public address of the machine, and loopback.
package record
