//go:build unix

package chaos

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/chaos/history"
	"leadcache/internal/chaos/node"
	"leadcache/internal/pause"
)

// interfere is the foreign program at work.
func interfere(ctx context.Context, n *nemesis, p plan) {
	w := &foreignWriter{stage: n.stage, recorder: n.fleet.recorder}
	defer w.close(ctx)
	random := rand.New(rand.NewPCG(n.seed, 1<<32))
	keys := slices.DeleteFunc(p.keys(), func(k node.Key) bool { return k.Family != node.Foreign })
	for pause.For(ctx, time.Duration(random.Int64N(2*int64(p.Foreign)))) {
		w.write(ctx, keys[random.IntN(len(keys))].Name)
	}
}

// A foreignWriter is a program that has no cache: it changes keys in the
// database, and deletes them in Redis.
type foreignWriter struct {
	stage    *stage
	recorder *recorder
	conn     *pgx.Conn
}

// write changes a key. It claims nothing that it was not told.
func (w *foreignWriter) write(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, dbTime)
	defer cancel()
	if err := w.connect(ctx); err != nil {
		pause.For(ctx, redoing)
		return
	}
	x := history.Write{Key: key, Node: history.Foreign, Start: node.Now()}
	err := w.conn.QueryRow(ctx, "update chaos set version = version + 1 where key = $1 returning version", key).Scan(&x.Version)
	x.Committed = node.Now()
	if err != nil {
		return
	}
	if _, err := w.stage.inCharge().CLI("DEL", prefix+key); err == nil {
		x.Acked = node.Now()
	}
	w.recorder.observe(node.Message{Writes: []history.Write{x}})
}

func (w *foreignWriter) connect(ctx context.Context) (err error) {
	if w.conn != nil && !w.conn.IsClosed() {
		return nil
	}
	w.conn, err = pgx.Connect(ctx, w.stage.postgres.URL())
	return err
}

func (w *foreignWriter) close(ctx context.Context) {
	if w.conn != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		w.conn.Close(ctx)
	}
}
