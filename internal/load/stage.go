//go:build unix

package load

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/server"
	"leadcache/pg"
)

// organizations is how many there are for the customers to write to.
const organizations = 20

// organizationNumber is the phone number of one of them.
func organizationNumber(i int) string { return fmt.Sprintf("+1604555%04d", 100+i%organizations) }

// customerNumber is that of one of at most maxCustomers.
func customerNumber(i int) string { return fmt.Sprintf("+1778%07d", i) }

// A stage is the servers that both runs use.
type stage struct {
	redis    *server.Redis
	postgres *server.Postgres
}

func openStage(ctx context.Context) (_ *stage, err error) {
	s := new(stage)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.redis, err = server.StartRedis(ctx); err != nil {
		return nil, err
	}
	if s.postgres, err = server.StartPostgres(ctx); err != nil {
		return nil, err
	}
	return s, s.prepare(ctx)
}

// prepare makes the tables and the organizations.
func (s *stage) prepare(ctx context.Context) error {
	db, err := pg.Open(ctx, pg.Options{URL: s.postgres.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return s.exec(ctx, `INSERT INTO organizations (id, name, phone_number, settings)
		SELECT format('0b1c1b1c-0000-4000-8000-%s', lpad(i::text, 12, '0')), 'Wheels ' || i, '+1604555' || lpad((100 + i)::text, 4, '0'),
			'{"location": "1 Main St", "services": ["repairs", "rentals"], "business_hours": {"saturday": "10:00 to 16:00"}}'
		FROM generate_series(0, $1::int - 1) i`, organizations)
}

// clear removes what a run has left.
func (s *stage) clear(ctx context.Context) error {
	if _, err := s.redis.CLI("FLUSHALL"); err != nil {
		return err
	}
	return s.exec(ctx, "TRUNCATE leads CASCADE")
}

// messages returns how many texts are stored.
func (s *stage) messages(ctx context.Context) (n int, err error) {
	conn, err := pgx.Connect(ctx, s.postgres.URL())
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT count(*) FROM conversations").Scan(&n)
	return n, err
}

// exec runs one statement on a connection of its own.
func (s *stage) exec(ctx context.Context, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, s.postgres.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, args...)
	return err
}

// close stops everything that was started.
func (s *stage) close() {
	if s.redis != nil {
		s.redis.Stop()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
}

// start starts a server process on them.
func (s *stage) start(ctx context.Context, c Config, cached bool, stderr io.Writer) (*child, error) {
	return startChild(ctx, serverConfig{
		DatabaseURL:   s.postgres.URL(),
		RedisURL:      s.redis.URL(),
		Cached:        cached,
		Conversations: c.Conversations,
	}, stderr)
}
