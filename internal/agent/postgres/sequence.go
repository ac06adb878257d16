// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// owned lists the sequences that feed a column, with what they give next.
const owned = `SELECT sn.nspname, s.relname, tn.nspname, t.relname, a.attname
	FROM pg_class s JOIN pg_namespace sn ON sn.oid = s.relnamespace
	JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
	JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
	JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
	JOIN pg_sequence q ON q.seqrelid = s.oid
	WHERE s.relkind = 'S' AND q.seqincrement > 0 AND sn.nspname !~ '^pg_' ORDER BY 1, 2`

// sequences finds those that would hand out an id that is taken: a restore
// that looks complete and fails at the first new row.
func sequences(ctx context.Context, c *pgx.Conn, p *evidence.Page) error {
	type seq struct{ seq, table, column, name string }
	var all []seq
	err := rows(ctx, c, owned, func(_ []string, v [][]byte) error {
		all = append(all, seq{pgx.Identifier{string(v[0]), string(v[1])}.Sanitize(),
			pgx.Identifier{string(v[2]), string(v[3])}.Sanitize(), pgx.Identifier{string(v[4])}.Sanitize(), string(v[1])})
		return nil
	})
	if err != nil {
		return failed(err, "list the sequences")
	}
	for _, s := range all {
		behind, err := value(ctx, c, "SELECT m.max FROM (SELECT max("+s.column+") FROM "+s.table+") m, "+s.seq+
			" q WHERE m.max >= q.last_value + (CASE WHEN q.is_called THEN 1 ELSE 0 END)")
		if err != nil {
			return failed(err, "check the sequence %s", s.name)
		}
		if behind != "" {
			p.Find(task.Blocking, task.SequenceBehind, s.name,
				"the sequence %s would hand out an id that is taken (highest is %s)", s.name, behind)
		}
	}
	p.Fact("sequences", strconv.Itoa(len(all)))
	return nil
}
