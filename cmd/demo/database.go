package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"leadcache/pg"
)

// defaultOrganization answers for numbers that belong to no organization.
const defaultOrganization = "b0c1b1c1-0000-0000-0000-000000000001"

// unlisted is a number of no organization.
const unlisted = "+15005550199"

// An organization is one tenant of the demo.
type organization struct {
	id, name string
	number   string // as +1…; it has this number alone
}

// dialled returns a number that leads to o, as a carrier may give it: as it
// is in the database, or as digits only.
func (o organization) dialled() string {
	switch {
	case o.id == defaultOrganization:
		return unlisted
	case rand.N(3) == 0:
		return strings.TrimPrefix(o.number, "+")
	default:
		return o.number
	}
}

// A store is this run's schema. It speaks to Postgres directly, past
// everything that is under test, and is used by one goroutine at a time.
type store struct {
	url    string // without the schema
	schema string
	conn   *pgx.Conn // in the schema
}

// openStore makes the schema and migrates it.
func openStore(ctx context.Context, databaseURL, schema string, logger *slog.Logger) (*store, error) {
	s := &store{url: databaseURL, schema: schema}
	if err := s.open(ctx, logger); err != nil {
		return nil, errors.Join(fmt.Errorf("DATABASE_URL: %s: %w", databasePlace(databaseURL), err), s.close(ctx))
	}
	return s, nil
}

func (s *store) open(ctx context.Context, logger *slog.Logger) error {
	if err := s.exec(ctx, "CREATE SCHEMA "+s.schema); err != nil {
		return err
	}
	inside := withSchema(s.url, s.schema)
	db, err := pg.Open(ctx, pg.Options{URL: inside, Logger: logger})
	if err != nil {
		return err
	}
	err = db.Migrate(ctx)
	db.Close()
	if err != nil {
		return err
	}
	s.conn, err = pgx.Connect(ctx, inside)
	return err
}

// exec runs one statement outside the schema, on a connection of its own.
func (s *store) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// close drops the schema, also when ctx has ended.
func (s *store) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if s.conn != nil {
		s.conn.Close(ctx)
	}
	return leftover("schema "+s.schema, s.exec(ctx, "DROP SCHEMA IF EXISTS "+s.schema+" CASCADE"))
}

// withSchema returns databaseURL with schema as its search path.
func withSchema(databaseURL, schema string) string {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return databaseURL + " search_path=" + schema // the key=value form
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// seed adds the organizations, the default one first.
func (s *store) seed(ctx context.Context) ([]organization, error) {
	organizations := []organization{{defaultOrganization, "Bicycle Exchange", "+16045550100"}}
	for i := range 20 {
		organizations = append(organizations, organization{
			id:     fmt.Sprintf("0b1c1b1c-0000-4000-8000-%012d", i+1),
			name:   fmt.Sprintf("Wheels of %s", towns[i%len(towns)]),
			number: fmt.Sprintf("+1604555%04d", 101+i),
		})
	}
	batch := new(pgx.Batch)
	for _, o := range organizations {
		batch.Queue(`INSERT INTO organizations (id, name, phone_number, settings) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, phone_number = excluded.phone_number`,
			o.id, o.name, o.number, map[string]any{
				"location":       o.name,
				"business_hours": map[string]any{"monday": "closed", "saturday": "10:00 to 16:00"},
				"services":       []string{"repairs", "rentals"},
			})
	}
	if err := s.conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	return organizations, nil
}

var towns = []string{
	"Abbotsford", "Burnaby", "Chilliwack", "Delta", "Esquimalt", "Fernie", "Gibsons", "Hope", "Invermere", "Kelowna",
	"Langley", "Merritt", "Nanaimo", "Oliver", "Penticton", "Quesnel", "Revelstoke", "Surrey", "Trail", "Victoria",
}
