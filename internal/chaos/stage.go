//go:build unix

package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/chaos/history"
	"leadcache/internal/chaos/node"
	"leadcache/internal/chaos/relay"
	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/pg"
)

const (
	prefix  = "chaos:"
	purges  = prefix + "tiered:purge:0" // the channel, of database 0
	dbTime  = 20 * time.Second          // for the parent's own statements
	redoing = 50 * time.Millisecond     // between two tries
)

// A stage is the servers and what is between them and the nodes.
type stage struct {
	postgres        *server.Postgres
	database        *proxy.Proxy // between all nodes and postgres
	nodeDatabaseURL string       // leads through it

	lines []line // one for each node

	mu    sync.Mutex // guards what follows
	redis *server.Redis
	spare *server.Redis // a replica of redis; nil if the plan needs none
	link  *proxy.Proxy  // between redis and spare
}

// A line is what is between a node and Redis.
type line struct {
	*proxy.Proxy
	relay *relay.Relay
}

// openStage starts everything. The keys begin at version 1, as if somebody had
// written them before.
func openStage(ctx context.Context, c Config, p plan) (_ *stage, err error) {
	s := new(stage)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.postgres, err = server.StartPostgres(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, p.keys()); err != nil {
		return nil, err
	}
	if s.database, s.nodeDatabaseURL, err = proxy.InFront(s.postgres.URL()); err != nil {
		return nil, err
	}
	if s.redis, err = startRedis(ctx); err != nil {
		return nil, err
	}
	if p.needsSpare() {
		if s.spare, err = startRedis(ctx); err != nil {
			return nil, err
		}
		if err := s.follow(); err != nil {
			return nil, err
		}
	}
	for range c.Nodes {
		if err := s.lay(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// startRedis starts a server that a replica catches up with at once, and that
// leaves no file behind which a later start would read.
func startRedis(ctx context.Context) (*server.Redis, error) {
	return server.StartRedis(ctx, "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0",
		"--repl-diskless-load", "swapdb")
}

// lay adds a line.
func (s *stage) lay() error {
	r, err := relay.Listen(func() string { return s.inCharge().Addr() }, purges)
	if err != nil {
		return err
	}
	p, err := proxy.Listen(r.Addr())
	if err != nil {
		r.Close()
		return err
	}
	s.lines = append(s.lines, line{p, r})
	return nil
}

// close stops everything that was started.
func (s *stage) close() {
	for _, l := range s.lines {
		l.Close()
		l.relay.Close()
	}
	for _, p := range []*proxy.Proxy{s.link, s.database} {
		if p != nil {
			p.Close()
		}
	}
	for _, r := range []*server.Redis{s.redis, s.spare} {
		if r != nil {
			r.Stop()
		}
	}
	if s.postgres != nil {
		s.postgres.Stop()
	}
}

// redisURL is that of a node.
func (s *stage) redisURL(i int, untracked bool) string {
	url := "redis://" + s.lines[i].Addr() + "/0"
	if untracked {
		url += "?protocol=2"
	}
	return url
}

// inCharge returns the Redis that nodes are led to.
func (s *stage) inCharge() *server.Redis {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.redis
}

// follow makes the spare a replica.
func (s *stage) follow() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	link, err := proxy.Listen(s.redis.Addr())
	if err != nil {
		return err
	}
	s.link = link
	host, port, err := net.SplitHostPort(link.Addr())
	if err != nil {
		return err
	}
	_, err = s.spare.CLI("REPLICAOF", host, port)
	return err
}

// inStep reports whether the spare has caught up.
func (s *stage) inStep() bool {
	info, err := s.spare.CLI("INFO", "replication")
	return err == nil && strings.Contains(info, "master_link_status:up")
}

// takeOver puts the spare in charge of the fleet. The server that was is dead.
func (s *stage) takeOver() error {
	s.link.Close()
	if _, err := s.spare.CLI("REPLICAOF", "NO", "ONE"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redis, s.spare = s.spare, s.redis
	return nil
}

// prepare makes the tables.
func (s *stage) prepare(ctx context.Context, keys []node.Key) error {
	db, err := pg.Open(ctx, pg.Options{URL: s.postgres.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	return s.query(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "create table chaos (key text primary key, version bigint not null default 1)"); err != nil {
			return err
		}
		for _, key := range keys {
			if _, err := conn.Exec(ctx, "insert into chaos (key) values ($1)", key.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// query works with a connection of its own, past the proxy.
func (s *stage) query(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, dbTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.postgres.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return do(ctx, conn)
}

// outcome adds to a history what the database has at the end.
func (s *stage) outcome(ctx context.Context, h *history.History) error {
	h.Final = make(map[string]int64)
	return s.query(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "select key, version from chaos") // its error is that of the rows
		var key string
		var version int64
		_, err := pgx.ForEachRow(rows, []any{&key, &version}, func() error {
			h.Final[key] = version
			return nil
		})
		if err != nil {
			return fmt.Errorf("versions: %w", err)
		}
		rows, _ = conn.Query(ctx, "select phone_number_normalized, id::text from leads")
		h.Rows, err = pgx.CollectRows(rows, pgx.RowToStructByPos[history.Row])
		return err
	})
}
