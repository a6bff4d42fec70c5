package leadsvc_test

import (
	"sync"
	"testing"
	"time"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// TestBehaviourUnderLoadWithRedisInTrouble is about what it costs callers, and
// the database, that Redis is down, hangs or refuses.
func TestBehaviourUnderLoadWithRedisInTrouble(t *testing.T) {
	t.Parallel()
	onRedis := func(trouble func(testing.TB, *server.Redis)) func(testing.TB, *server.Redis, *proxy.Proxy) {
		return func(t testing.TB, redis *server.Redis, _ *proxy.Proxy) { t.Helper(); trouble(t, redis) }
	}
	for name, trouble := range map[string]func(testing.TB, *server.Redis, *proxy.Proxy){
		"dies":     onRedis(func(_ testing.TB, redis *server.Redis) { redis.Kill() }),
		"hangs":    onRedis(func(_ testing.TB, redis *server.Redis) { redis.Pause() }),
		"OOM":      onRedis(command("CONFIG", "SET", "maxmemory", "1")),
		"READONLY": onRedis(command("REPLICAOF", "127.0.0.1", "1")),
		"LOADING":  onRedis(load),
		"silent":   func(_ testing.TB, _ *server.Redis, p *proxy.Proxy) { p.Freeze(proxy.Both) },
		"mute":     func(_ testing.TB, _ *server.Redis, p *proxy.Proxy) { p.Freeze(proxy.FromServer) },
		"cut off":  func(_ testing.TB, _ *server.Redis, p *proxy.Proxy) { p.Refuse(); p.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := servertest.Redis(t, "--enable-debug-command", "yes")
			p, through, err := proxy.InFront(redis.URL())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			s := &scene{fleet: newFleet(t), options: tiered.RedisOptions{URL: through, MaxStale: maxStale}}
			n := s.add(t, leadsvc.Config{})
			s.nodes = []*node{n}
			s.awaitRedis(t)
			lead := find(t, n, phone)
			find(t, n, phone)

			sent, began := n.db.Queries(), time.Now()
			trouble(t, redis, p)
			took := repeat(t, 4*maxStale, func() {
				if got, err := n.FindLeadByPhone(t.Context(), phone, defaultOrg); err != nil || got != lead {
					t.Errorf("FindLeadByPhone = %+v, %v, want %+v", got, err, lead)
				}
			})
			if took > soon {
				t.Errorf("a call took %v, want no longer than the machine may be busy (make outage measures it)", took)
			}
			// One for each span of MaxStale, begun ones included, and one for
			// what was cached until the connection was lost.
			spans := uint64(time.Since(began)/maxStale) + 1
			if q := n.db.Queries() - sent; q > spans+1 {
				t.Errorf("%d statements in %d spans of MaxStale, want no more than one each", q, spans)
			}
		})
	}
}

// maxStale is the default of tiered.
const maxStale = time.Second

// repeat has 32 callers call do again and again for so long, and returns how
// long the longest call took.
func repeat(t *testing.T, span time.Duration, do func()) (longest time.Duration) {
	t.Helper()
	var (
		mu    sync.Mutex
		work  sync.WaitGroup
		ended = make(chan struct{})
	)
	for range 32 {
		work.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-ended:
					return
				case <-pace.C:
				}
				started := time.Now()
				do()
				mu.Lock()
				longest = max(longest, time.Since(started))
				mu.Unlock()
			}
		})
	}
	<-time.After(span)
	close(ended)
	work.Wait()
	return longest
}
