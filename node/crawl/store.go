package crawl

import (
	"database/sql"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/p2p/enode"
	_ "github.com/ncruces/go-sqlite3/driver" // registers sqlite3

	"github.com/troupe-p2p/troupe/nat/netaddr"
	"github.com/troupe-p2p/troupe/wire"
)

//go:embed schema.sql
var schema string

const (
	// applicationID marks a database as a crawl's ("TrCr"). schemaVersion is the version of
	// its schema.
	applicationID = 0x54724372
	schemaVersion = 1
	// timeFormat is the format of SQLite's date and time functions. Times are in UTC.
	timeFormat = "2006-01-02 15:04:05"
	// busyTimeout is how long the store waits for other processes that lock the file.
	busyTimeout = 10 * time.Second
)

// store is the database. One goroutine at a time may use it.
type store struct{ db *sql.DB }

// openStore opens a database, or creates it if the file doesn't exist.
func openStore(path string) (*store, error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(wal)", "synchronous(normal)", "foreign_keys(1)",
	}}.Encode()}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("crawl database %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	s := &store{db}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("crawl database %s: %w", path, err), db.Close())
	}
	return s, nil
}

func (s *store) close() error { return s.db.Close() }

// prepare creates the tables of a new database, and rejects the database of another program.
func (s *store) prepare() error {
	return s.within(func(tx *sql.Tx) error {
		var app, version, tables int
		for query, to := range map[string]*int{
			"PRAGMA application_id": &app, "PRAGMA user_version": &version, "SELECT count(*) FROM sqlite_schema": &tables,
		} {
			if err := tx.QueryRow(query).Scan(to); err != nil {
				return err
			}
		}
		switch {
		case tables == 0:
			_, err := tx.Exec(fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", schema, applicationID, schemaVersion))
			return err
		case app != applicationID:
			return errors.New("the file belongs to another program")
		case version != schemaVersion:
			return fmt.Errorf("schema version %d, want version %d", version, schemaVersion)
		}
		return nil
	})
}

// within runs f in a transaction.
func (s *store) within(f func(*sql.Tx) error) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// seed is a node of an earlier crawl.
type seed struct {
	node    *enode.Node
	lastTry time.Time // zero: never
	alive   bool      // it has answered a visit
}

// seeds returns up to limit known nodes, the one with the latest answer first.
func (s *store) seeds(limit int) (list []seed, err error) {
	rows, err := s.db.Query(`SELECT pubkey, coalesce(enr, ''), coalesce(ip, ''), coalesce(tcp, 0), coalesce(udp, 0),
		coalesce(last_try, ''), last_answer IS NOT NULL
		FROM nodes ORDER BY last_answer DESC NULLS LAST, last_seen DESC LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("crawl database: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			pubkey, record, ip, lastTry string
			tcp, udp                    int
			next                        seed
		)
		if err := rows.Scan(&pubkey, &record, &ip, &tcp, &udp, &lastTry, &next.alive); err != nil {
			return nil, fmt.Errorf("crawl database: %w", err)
		}
		if next.node, err = nodeOf(pubkey, record, ip, tcp, udp); err != nil {
			return nil, fmt.Errorf("crawl database: node with public key %s: %w", pubkey, err)
		}
		if lastTry != "" {
			if next.lastTry, err = time.Parse(timeFormat, lastTry); err != nil {
				return nil, fmt.Errorf("crawl database: node with public key %s: %w", pubkey, err)
			}
		}
		list = append(list, next)
	}
	return list, rows.Err()
}

// nodeOf makes a node from its columns in the database.
func nodeOf(pubkey, record, ip string, tcp, udp int) (*enode.Node, error) {
	if record != "" {
		return enode.Parse(enode.ValidSchemes, record)
	}
	raw, err := hex.DecodeString(pubkey)
	if err != nil {
		return nil, err
	}
	key, err := crypto.UnmarshalPubkey(append([]byte{4}, raw...))
	if err != nil {
		return nil, err
	}
	if ip == "" {
		return enode.NewV4(key, nil, tcp, udp), nil
	}
	addr, err := netaddr.ParseAddr(ip)
	if err != nil {
		return nil, err
	}
	return enode.NewV4(key, addr.AsSlice(), tcp, udp), nil
}

// finding is a node that was found.
type finding struct {
	node   *enode.Node
	source string
	at     time.Time
	news   bool // the node or its record is new
}

const upsertNode = `INSERT INTO nodes
	(id, pubkey, enr, seq, ip, tcp, udp, source, fork_hash, fork_next, consensus, first_seen, last_seen)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)
	ON CONFLICT (id) DO UPDATE SET enr = coalesce(?3, enr), seq = ?4, ip = ?5, tcp = ?6, udp = ?7, fork_hash = ?9, fork_next = ?10,
	consensus = ?11, last_seen = ?12`

func (s finding) write(tx *sql.Tx) error {
	n, when := s.node, s.at.UTC().Format(timeFormat)
	if !s.news {
		_, err := tx.Exec(`UPDATE nodes SET last_seen = ? WHERE id = ?`, when, n.ID().String())
		return err
	}
	var record, ip, hash, next any
	tcp, _ := n.TCPEndpoint()
	if n.Seq() > 0 {
		record = n.String()
	}
	if addr := n.IPAddr(); addr.IsValid() {
		ip = addr.Unmap().String()
	}
	if id, ok := forkOf(n); ok {
		hash, next = "0x"+hex.EncodeToString(id.Hash[:]), strconv.FormatUint(id.Next, 10)
	}
	_, err := tx.Exec(upsertNode, n.ID().String(), hex.EncodeToString(crypto.FromECDSAPub(n.Pubkey())[1:]), record, clamp(n.Seq()), ip,
		nonZero(int(tcp.Port())), nonZero(n.UDP()), s.source, hash, next, consensusOnly(n), when)
	return err
}

// report is the result of a visit.
type report struct {
	node         *enode.Node
	at           time.Time // when it ended
	outcome      Outcome
	err          string           // empty: none
	reason       *wire.DiscReason // of the remote's Disconnect, if there was one
	hello        *wire.Hello      // nil: none was received
	connect, rtt time.Duration    // 0: the visit ended before
}

const updateVisit = `UPDATE nodes SET last_try = ?2, tries = tries + 1, outcome = ?3, last_error = ?4, disconnect = ?5,
	connect_ms = ?6, rtt_ms = ?7, last_answer = CASE WHEN ?8 THEN ?2 ELSE last_answer END WHERE id = ?1`

const updateHello = `UPDATE nodes SET client = ?2, client_name = ?3, client_version = ?4, p2p_version = ?5 WHERE id = ?1`

func (r report) write(tx *sql.Tx) error {
	id := r.node.ID().String()
	var failure, reason any
	if r.err != "" {
		failure = r.err
	}
	if r.reason != nil {
		reason = r.reason.String()
	}
	if _, err := tx.Exec(updateVisit, id, r.at.UTC().Format(timeFormat), string(r.outcome), failure, reason,
		millis(r.connect), millis(r.rtt), r.alive()); err != nil {
		return err
	}
	if r.hello == nil {
		return nil
	}
	name, version := parseClient(r.hello.Name)
	if _, err := tx.Exec(updateHello, id, clean(r.hello.Name, maxName), name, version, clamp(r.hello.Version)); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM capabilities WHERE id = ?`, id); err != nil {
		return err
	}
	for _, c := range r.hello.Caps[:min(len(r.hello.Caps), maxCaps)] {
		if _, err := tx.Exec(`INSERT OR IGNORE INTO capabilities (id, name, version) VALUES (?, ?, ?)`,
			id, clean(c.Name, maxWord), clamp(uint64(c.Version))); err != nil {
			return err
		}
	}
	return nil
}

// alive reports whether the node answered with a Hello or a Disconnect.
func (r report) alive() bool { return r.hello != nil || r.reason != nil }

// clamp makes a remote's number fit SQLite's signed integers.
func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func nonZero(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func millis(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return float64(d) / float64(time.Millisecond)
}
