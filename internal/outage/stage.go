//go:build unix

package outage

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
)

// connections is how many loads the database works on at once. More would only
// take turns with the readers on a small machine. Arbitrary.
const connections = 8

// A stage is the servers, and the proxy between Redis and all nodes.
type stage struct {
	redis    *server.Redis
	network  *proxy.Proxy
	redisURL string // through network
	postgres *server.Postgres
	writer   *pgxpool.Pool
	pool     *pgxpool.Pool // of the loaders
	queries  queries       // that they have sent
}

func openStage(ctx context.Context, c Config) (_ *stage, err error) {
	s := new(stage)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.redis, err = server.StartRedis(ctx); err != nil {
		return nil, err
	}
	if s.network, s.redisURL, err = proxy.InFront(s.redis.URL()); err != nil {
		return nil, err
	}
	if s.postgres, err = server.StartPostgres(ctx); err != nil {
		return nil, err
	}
	if s.writer, err = pgxpool.New(ctx, s.postgres.URL()); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, c.Keys); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	pc, err := pgxpool.ParseConfig(s.postgres.URL())
	if err != nil {
		return nil, err
	}
	pc.MaxConns, pc.MinConns = connections, connections
	pc.ConnConfig.Tracer = &s.queries
	s.pool, err = pgxpool.NewWithConfig(ctx, pc)
	return s, err
}

// prepare makes the table.
func (s *stage) prepare(ctx context.Context, keys int) error {
	if _, err := s.writer.Exec(ctx, "create table outage (key int primary key, version bigint not null)"); err != nil {
		return err
	}
	_, err := s.writer.Exec(ctx, "insert into outage select generate_series(0, $1::int - 1), 1", keys)
	return err
}

// load is the nodes' loader: one query.
func (s *stage) load(ctx context.Context, key int) (version int64, err error) {
	err = s.pool.QueryRow(ctx, "select version from outage where key = $1", key).Scan(&version)
	return version, err
}

// change gives a row its next version.
func (s *stage) change(ctx context.Context, key int) (version int64, err error) {
	err = s.writer.QueryRow(ctx, "update outage set version = version + 1 where key = $1 returning version", key).Scan(&version)
	return version, err
}

// close stops everything that was started.
func (s *stage) close() {
	if s.pool != nil {
		s.pool.Close()
	}
	if s.writer != nil {
		s.writer.Close()
	}
	if s.network != nil {
		s.network.Close()
	}
	if s.redis != nil {
		s.redis.Stop()
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
}

// queries is a pgx.QueryTracer that counts.
type queries struct{ n atomic.Uint64 }

func (q *queries) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	q.n.Add(1)
	return ctx
}

func (*queries) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
