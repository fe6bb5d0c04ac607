package crawl

import (
	"cmp"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Summary summarizes a database, with all its crawls. It counts each node by the node's
// last visit.
type Summary struct {
	Known     int // nodes in the database
	Consensus int // consensus clients among them, which are not visited
	Visited   int // nodes visited at least once
	Alive     int // nodes whose last visit was answered with a Hello or a Disconnect

	Outcomes     []Count // of the last visits
	Reasons      []Count // of the Disconnects among the last visits
	Clients      []Count // by client name; this count and those below have alive nodes only
	Versions     []Count
	Capabilities []Count
	ForkIDs      []Count // with the chain's name, if it is known
}

// Count is the number of nodes that share a property.
type Count struct {
	Name  string
	Nodes int
}

// aliveNodes is the SQL condition for the nodes that Summary.Alive counts.
const aliveNodes = `last_answer = last_try`

// summary reads the database.
func (s *store) summary() (sum Summary, err error) {
	for query, to := range map[string]*int{
		`SELECT count(*) FROM nodes`:                            &sum.Known,
		`SELECT count(*) FROM nodes WHERE consensus`:            &sum.Consensus,
		`SELECT count(*) FROM nodes WHERE last_try IS NOT NULL`: &sum.Visited,
		`SELECT count(*) FROM nodes WHERE ` + aliveNodes:        &sum.Alive,
	} {
		if err := s.db.QueryRow(query).Scan(to); err != nil {
			return sum, fmt.Errorf("crawl database: %w", err)
		}
	}
	for query, to := range map[string]*[]Count{
		`SELECT outcome, count(*) FROM nodes WHERE outcome IS NOT NULL GROUP BY 1`:                                                                                             &sum.Outcomes,
		`SELECT disconnect, count(*) FROM nodes WHERE disconnect IS NOT NULL GROUP BY 1`:                                                                                       &sum.Reasons,
		`SELECT coalesce(nullif(client_name, ''), '(no name)'), count(*) FROM nodes WHERE client IS NOT NULL AND ` + aliveNodes + ` GROUP BY 1`:                                &sum.Clients,
		`SELECT coalesce(nullif(trim(client_name || ' ' || client_version), ''), '(no name)'), count(*) FROM nodes WHERE client IS NOT NULL AND ` + aliveNodes + ` GROUP BY 1`: &sum.Versions,
		`SELECT name || '/' || version, count(*) FROM capabilities JOIN nodes USING (id) WHERE ` + aliveNodes + ` GROUP BY 1`:                                                  &sum.Capabilities,
		`SELECT fork_hash || ' next ' || fork_next, count(*) FROM nodes WHERE fork_hash IS NOT NULL AND ` + aliveNodes + ` GROUP BY 1`:                                         &sum.ForkIDs,
	} {
		if *to, err = counts(s.db, query); err != nil {
			return sum, fmt.Errorf("crawl database: %w", err)
		}
	}
	nameForks(sum.ForkIDs)
	return sum, nil
}

// counts runs a query for names and numbers, and returns them, the most frequent first.
func counts(db *sql.DB, query string) (list []Count, err error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Name, &c.Nodes); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), strings.Compare(a.Name, b.Name))
	})
	return list, rows.Err()
}

// nameForks adds the chain's name to the known fork IDs.
func nameForks(list []Count) {
	names := ForkNames()
	for i, c := range list {
		hash, rest, _ := strings.Cut(strings.TrimPrefix(c.Name, "0x"), " ")
		raw, err := hex.DecodeString(hash)
		if err != nil || len(raw) != 4 {
			continue
		}
		if name := names[[4]byte(raw)]; name != "" {
			list[i].Name = fmt.Sprintf("0x%s %s (%s)", hash, rest, name)
		}
	}
}

// maxRows is the maximum number of printed rows per table.
const maxRows = 15

// Print writes the summary as tables.
func (s Summary) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d nodes known, %d of them consensus clients; %d visited, %d alive\n", s.Known, s.Consensus, s.Visited, s.Alive)
	for _, t := range []struct {
		title string
		of    int // the number of nodes that is 100 %
		rows  []Count
	}{
		{"LAST VISIT", s.Visited, s.Outcomes},
		{"DISCONNECT REASON", s.Visited, s.Reasons},
		{"CLIENT", s.Alive, s.Clients},
		{"VERSION", s.Alive, s.Versions},
		{"CAPABILITY", s.Alive, s.Capabilities},
		{"FORK ID", s.Alive, s.ForkIDs},
	} {
		printTable(&b, t.title, t.of, t.rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printTable prints one table. It combines the rows beyond maxRows in one row.
func printTable(w io.Writer, title string, of int, rows []Count) {
	if len(rows) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s\tNODES\tSHARE\n", title)
	for i, c := range rows {
		if i == maxRows && len(rows) > maxRows+1 {
			more := 0
			for _, c := range rows[i:] {
				more += c.Nodes
			}
			fmt.Fprintf(t, "(%d others)\t%d\t\n", len(rows)-i, more)
			break
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\n", clean(c.Name, maxName), c.Nodes, 100*float64(c.Nodes)/float64(max(of, 1)))
	}
	_ = t.Flush() // writes to memory, which can't fail
}
