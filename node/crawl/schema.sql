-- docs/crawl.md explains the columns.
CREATE TABLE nodes (
	id             TEXT PRIMARY KEY,
	pubkey         TEXT NOT NULL,
	enr            TEXT,
	seq            INTEGER NOT NULL DEFAULT 0,
	ip             TEXT,
	tcp            INTEGER,
	udp            INTEGER,
	source         TEXT NOT NULL,
	fork_hash      TEXT,
	fork_next      TEXT,
	consensus      INTEGER NOT NULL DEFAULT 0,
	first_seen     TEXT NOT NULL,
	last_seen      TEXT NOT NULL,
	last_try       TEXT,
	tries          INTEGER NOT NULL DEFAULT 0,
	last_answer    TEXT,
	outcome        TEXT,
	last_error     TEXT,
	disconnect     TEXT,
	client         TEXT,
	client_name    TEXT,
	client_version TEXT,
	p2p_version    INTEGER,
	connect_ms     REAL,
	rtt_ms         REAL
) STRICT;

CREATE TABLE capabilities (
	id      TEXT NOT NULL REFERENCES nodes (id) ON DELETE CASCADE,
	name    TEXT NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (id, name, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX nodes_by_answer ON nodes (last_answer);
CREATE INDEX capabilities_by_name ON capabilities (name, version);
