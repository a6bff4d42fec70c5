//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"leadcache/internal/pause"
	"leadcache/internal/proxy"
	"leadcache/internal/server"
)

// faults by name. Each returns when what it broke is whole again, and earlier
// when ctx ends. An error means that it could not be made whole.
var faults = map[string]func(*nemesis, context.Context, draw) error{
	"cut":         onLine(func(l line, _ func()) { l.Cut() }),
	"refuse":      onLine(func(l line, wait func()) { l.Refuse(); l.Cut(); wait(); l.Restore() }),
	"freeze":      onLine(freeze(proxy.Both)),
	"freeze-to":   onLine(freeze(proxy.ToServer)),
	"freeze-from": onLine(freeze(proxy.FromServer)),
	"lose":        onLine(func(l line, wait func()) { l.Freeze(proxy.Both); wait(); l.Cut(); l.Thaw(proxy.Both) }),
	"lose-purges": onLine(func(l line, wait func()) { l.relay.Lose(); wait(); l.relay.Keep() }),
	"delay":       delayLine,
	"stop-node":   stopNode,
	"kill-node":   killNode,

	"kill-redis":          killRedis,
	"stop-redis":          stopRedis,
	"flush":               onRedis("FLUSHALL"),
	"kill-normal":         onRedis("CLIENT", "KILL", "TYPE", "normal"),
	"kill-pubsub":         onRedis("CLIENT", "KILL", "TYPE", "pubsub"),
	"evict":               evict,
	"tiny-tracking-table": tinyTrackingTable,
	"restore-snapshot":    restoreSnapshot,
	"promote":             promote,

	"slow-database":   slowDatabase,
	"cut-database":    func(n *nemesis, _ context.Context, _ draw) error { n.stage.database.Cut(); return nil },
	"freeze-database": freezeDatabase,
	"stop-database":   stopDatabase,
	"kill-database":   killDatabase,
}

// onLine makes a fault of what breaks a node's line, waits, and mends it.
func onLine(do func(l line, wait func())) func(*nemesis, context.Context, draw) error {
	return func(n *nemesis, ctx context.Context, d draw) error {
		do(n.stage.lines[d.node], func() { pause.For(ctx, d.length) })
		return nil
	}
}

func freeze(direction proxy.Direction) func(line, func()) {
	return func(l line, wait func()) { l.Freeze(direction); wait(); l.Thaw(direction) }
}

// delayLine delays by no more than a node waits for Redis, and by more.
func delayLine(n *nemesis, ctx context.Context, d draw) error {
	l := n.stage.lines[d.node]
	l.Delay(proxy.FromServer, d.length/10)
	pause.For(ctx, d.length)
	l.Delay(proxy.FromServer, 0)
	return nil
}

func stopNode(n *nemesis, ctx context.Context, d draw) error {
	c := n.fleet.children[d.node]
	if err := c.suspend(); err != nil {
		return err
	}
	pause.For(ctx, d.length)
	return c.resume()
}

func killNode(n *nemesis, ctx context.Context, d draw) error {
	return n.fleet.replace(context.WithoutCancel(ctx), d.node, func() { pause.For(ctx, d.length/4) })
}

// onRedis makes a fault of a command.
func onRedis(command ...string) func(*nemesis, context.Context, draw) error {
	return func(n *nemesis, _ context.Context, _ draw) error {
		_, err := n.stage.inCharge().CLI(command...)
		return err
	}
}

func killRedis(n *nemesis, ctx context.Context, d draw) error {
	r := n.stage.inCharge()
	r.Kill()
	pause.For(ctx, d.length)
	return r.Restart(context.WithoutCancel(ctx))
}

func stopRedis(n *nemesis, ctx context.Context, d draw) error {
	r := n.stage.inCharge()
	r.Pause()
	pause.For(ctx, d.length)
	r.Resume()
	return nil
}

// evict leaves no room for more than there is.
func evict(n *nemesis, ctx context.Context, d draw) error {
	r := n.stage.inCharge()
	info, err := r.CLI("INFO", "memory")
	if err != nil {
		return err
	}
	var used int
	for line := range strings.Lines(info) {
		if number, ok := strings.CutPrefix(line, "used_memory:"); ok {
			if used, err = strconv.Atoi(strings.TrimSpace(number)); err != nil {
				return err
			}
		}
	}
	return whileSet(ctx, r, d, "0", "maxmemory", strconv.Itoa(used), "maxmemory-policy", "allkeys-random")
}

func tinyTrackingTable(n *nemesis, ctx context.Context, d draw) error {
	return whileSet(ctx, n.stage.inCharge(), d, "1000000", "tracking-table-max-keys", "1")
}

// whileSet changes settings, waits, and sets the first back to what it was.
func whileSet(ctx context.Context, r *server.Redis, d draw, back string, settings ...string) error {
	if _, err := r.CLI(append([]string{"CONFIG", "SET"}, settings...)...); err != nil {
		return err
	}
	pause.For(ctx, d.length)
	_, err := r.CLI("CONFIG", "SET", settings[0], back)
	return err
}

// restoreSnapshot makes Redis forget what has happened since a while ago.
func restoreSnapshot(n *nemesis, ctx context.Context, d draw) error {
	r := n.stage.inCharge()
	// Redis saves nothing while it sends a replica all it has.
	var failed error
	if err := eventually(ctx, func() bool { _, failed = r.CLI("SAVE"); return failed == nil }); err != nil {
		return errors.Join(err, failed)
	}
	if ctx.Err() != nil {
		return nil
	}
	pause.For(ctx, d.length)
	r.Kill()
	if err := r.Restart(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(r.Dir(), "dump.rdb")) // the next restart is one without memory
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// patience bounds the wait for a server to be ready for a fault.
const patience = 5 * time.Second

var errNotReady = fmt.Errorf("not ready for it after %v", patience)

// eventually returns when ready does hold, or ctx has ended.
func eventually(ctx context.Context, ready func() bool) error {
	for end := time.Now().Add(patience); !ready(); {
		if !pause.For(ctx, redoing) {
			return nil
		}
		if time.Now().After(end) {
			return errNotReady
		}
	}
	return nil
}

// promote puts a replica in charge that has not heard of the latest changes.
func promote(n *nemesis, ctx context.Context, d draw) error {
	s := n.stage
	if err := eventually(ctx, s.inStep); err != nil || ctx.Err() != nil {
		return err
	}
	s.link.Freeze(proxy.Both)
	pause.For(ctx, d.length)
	old := s.inCharge()
	old.Kill()
	if err := s.takeOver(); err != nil {
		return err
	}
	if err := old.Restart(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return s.follow()
}

func slowDatabase(n *nemesis, ctx context.Context, d draw) error {
	n.stage.database.Delay(proxy.FromServer, d.length/10)
	pause.For(ctx, d.length)
	n.stage.database.Delay(proxy.FromServer, 0)
	return nil
}

func freezeDatabase(n *nemesis, ctx context.Context, d draw) error {
	n.stage.database.Freeze(proxy.Both)
	pause.For(ctx, d.length)
	n.stage.database.Thaw(proxy.Both)
	return nil
}

func stopDatabase(n *nemesis, ctx context.Context, d draw) error {
	n.stage.postgres.Pause()
	pause.For(ctx, d.length)
	n.stage.postgres.Resume()
	return nil
}

func killDatabase(n *nemesis, ctx context.Context, d draw) error {
	n.stage.postgres.Kill()
	pause.For(ctx, d.length/2)
	return n.stage.postgres.Restart(context.WithoutCancel(ctx))
}
