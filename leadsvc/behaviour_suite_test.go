package leadsvc_test

import (
	"errors"
	"testing"
	"time"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// TestBehaviour holds the service to the promises about its answers, a test
// for each. The answers are the same whatever becomes of Redis, so all are held
// in every mode.
func TestBehaviour(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		start := func(t *testing.T) *scene {
			t.Helper()
			t.Parallel()
			return mode.scene(t)
		}
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			for _, heading := range headings {
				t.Run(heading.name, func(t *testing.T) {
					t.Parallel()
					heading.test(t, start)
				})
			}
		})
	}
}

// headings are those under which the promises stand; each test begins with a
// scene of its own, and goes on beside the others.
var headings = []struct {
	name string
	test func(t *testing.T, start func(*testing.T) *scene)
}{
	{"Numbers and keys", testNumbers},
	{"Methods: FindOrCreateLead", testFindOrCreateLead},
	{"Methods: FindLeadByPhone", testFindLeadByPhone},
	{"Methods: Lead", testLead},
	{"Methods: OrganizationByPhone", testOrganizationByPhone},
	{"Methods: UpdateLead", testUpdateLead},
	{"Methods: ClassifyLead", testClassifyLead},
	{"Methods: InvalidateLeadCaches", testInvalidateLeadCaches},
	{"Methods: InvalidateOrganizationCache", testInvalidateOrganizationCache},
	{"Methods: Conversations, Summaries, ConversationContext, Greeting, Session", testRelated},
	{"Methods: AppendMessage", testAppendMessage},
	{"When things fail", testCallers},
}

// A scene is a fleet of two nodes and what happens to their Redis.
type scene struct {
	*fleet
	options tiered.RedisOptions // of both nodes
	nodes   []*node

	between func(testing.TB) // is called before each call that a test makes
	told    func(error) bool // says whether that may be the answer to an announcement
}

// modes are the conditions under which answers must be the same.
var modes = []struct {
	name  string
	scene func(testing.TB) *scene
}{
	{"Redis on", withRedis},
	{"REDIS_ENABLED=false", withoutRedis},
	{"Redis down from the start", withRedisDown},
	{"Redis killed and restarted between calls", withUnrest},
}

func withRedis(t testing.TB) *scene {
	t.Helper()
	f := newFleet(t)
	s := &scene{fleet: f, options: tiered.RedisOptions{URL: f.redisURL, Prefix: f.prefix, Timeout: soon}, between: nothing, told: delivered}
	s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
	s.awaitRedis(t)
	return s
}

func withoutRedis(t testing.TB) *scene {
	t.Helper()
	s := &scene{fleet: newFleet(t), options: tiered.RedisOptions{Disabled: true}, between: nothing, told: delivered}
	s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
	return s
}

func withRedisDown(t testing.TB) *scene {
	t.Helper()
	s := &scene{fleet: newFleet(t), options: tiered.RedisOptions{URL: "redis://127.0.0.1:1"}, between: nothing, told: kept}
	s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
	return s
}

// withUnrest returns a scene whose Redis dies before one call, comes back, empty,
// before the next, and is left alone before the one after that.
func withUnrest(t testing.TB) *scene {
	t.Helper()
	redis := servertest.Redis(t)
	s := withServer(t, redis, soon)
	s.told = func(err error) bool { return delivered(err) || kept(err) }
	var calls int
	s.between = func(t testing.TB) {
		t.Helper()
		switch calls++; calls % 3 {
		case 1:
			redis.Kill()
		case 2:
			s.restart(t, redis)
		}
	}
	return s
}

// withServer returns a scene on a Redis of its own, without a prefix. The
// nodes wait for it as long as timeout, or, if that is 0, as they do by default.
func withServer(t testing.TB, redis *server.Redis, timeout time.Duration) *scene {
	t.Helper()
	f := newFleet(t)
	f.redisURL, f.prefix = redis.URL(), ""
	f.redis = dialRedis(t, f.redisURL)
	s := &scene{fleet: f, options: tiered.RedisOptions{URL: f.redisURL, Timeout: timeout}, between: nothing, told: delivered}
	s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
	s.awaitRedis(t)
	return s
}

func nothing(testing.TB) {}

func delivered(err error) bool { return err == nil }

// kept says whether err means that the other nodes are told later.
func kept(err error) bool { return errors.Is(err, leadsvc.ErrPending) }

// add adds a node, which may still be on its way to Redis.
func (s *scene) add(t testing.TB, cfg leadsvc.Config) *node {
	t.Helper()
	return s.nodeWith(t, s.options, cfg)
}

func (s *scene) awaitRedis(t testing.TB) {
	t.Helper()
	for _, n := range s.nodes {
		servertest.Eventually(t, soon, func() bool { return n.link.Status().Connected }, "the node to reach Redis")
	}
}

// restart brings a killed Redis back and waits until all nodes have lost the
// old connection and made a new one.
func (s *scene) restart(t testing.TB, redis *server.Redis) {
	t.Helper()
	for _, n := range s.nodes {
		servertest.Eventually(t, soon, func() bool { return !n.link.Status().Connected }, "the node to miss Redis")
	}
	if err := redis.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitRedis(t)
}

// a returns the first node, which writes, for one call.
func (s *scene) a(t testing.TB) *node {
	t.Helper()
	return s.call(t, 0)
}

// b returns the other node, for one call.
func (s *scene) b(t testing.TB) *node {
	t.Helper()
	return s.call(t, 1)
}

func (s *scene) call(t testing.TB, i int) *node {
	t.Helper()
	s.between(t)
	return s.nodes[i]
}

// seen fails unless the node that wrote says so at once, and the other one
// soon.
func (s *scene) seen(t *testing.T, what string, says func(*node) bool) {
	t.Helper()
	s.fresh(t, func(n *node) string {
		if says(n) {
			return ""
		}
		return "before " + what
	})
}

// fresh is seen for what can be stale in several ways; stale returns the one
// it finds.
func (s *scene) fresh(t *testing.T, stale func(*node) string) {
	t.Helper()
	if found := stale(s.a(t)); found != "" {
		t.Errorf("the node that wrote answers as %s", found)
	}
	b, found := s.b(t), ""
	defer func() {
		if found != "" {
			t.Errorf("the other node answers as %s", found)
		}
	}()
	servertest.Eventually(t, soon, func() bool { found = stale(b); return found == "" }, "the other node to see a change")
}
