package leadsvc_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// TestBehaviourIsIdentical compares what every method says, errors word for
// word, with what it says when all is well.
func TestBehaviourIsIdentical(t *testing.T) {
	t.Parallel()
	want := transcript(t, withRedis(t))
	for name, scene := range map[string]func(testing.TB) *scene{
		"Redis holds plain JSON":  withPlainJSON,
		"REDIS_ENABLED=false":     withoutRedis,
		"Redis down at start":     withRedisDown,
		"Redis dies later":        withUnrest,
		"Redis hangs":             withTrouble(func(_ testing.TB, redis *server.Redis) { redis.Pause() }),
		"Redis refuses: OOM":      withTrouble(command("CONFIG", "SET", "maxmemory", "1")),
		"Redis refuses: READONLY": withTrouble(command("REPLICAOF", "127.0.0.1", "1")),
		"Redis refuses: LOADING":  withTrouble(load),
		"Redis refuses: password": withWrongPassword,
		"Redis answers garbage":   withGarbage,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, transcript(t, scene(t))); diff != "" {
				t.Errorf("answers (-all well +in trouble):\n%s", diff)
			}
		})
	}
}

// transcript calls every method on the first node and returns what it said, a
// line each. Identifiers are numbered in the order in which they are seen, and
// times are left out.
func transcript(t *testing.T, s *scene) []string {
	t.Helper()
	var lines []string
	ids := make(map[string]string)
	note := func(method string, answer any, err error) {
		t.Helper()
		said, wrong := json.Marshal(answer)
		if wrong != nil {
			t.Fatalf("%s: %v", method, wrong)
		}
		line := fmt.Sprintf("%s: %s, %v", method, said, err)
		line = times.ReplaceAllString(line, "(time)")
		lines = append(lines, uuids.ReplaceAllStringFunc(line, func(id string) string {
			if ids[id] == "" {
				ids[id] = fmt.Sprintf("(id %d)", len(ids)+1)
			}
			return ids[id]
		}))
	}
	s.exec(t, `INSERT INTO organizations (id, name, phone_number) VALUES ($1, 'Bici', '(604) 670-0262')`, otherOrg)
	lead := find(t, s.a(t), phone)
	s.speak(t, lead, "before")
	for _, changes := range []leadsvc.LeadChanges{
		{CustomerName: leadsvc.Set("Ann"), BikeInterest: leadsvc.Set(leadsvc.JSON(`{"a" : "<b>"}`))},
		{PhoneNumber: leadsvc.Set("604 555 0000"), Email: leadsvc.Set("ann@example.org")},
		{PhoneNumber: leadsvc.Set("anonymous")},
		{OrganizationID: leadsvc.Set(noOrg)},
		{OrganizationID: leadsvc.Set(otherOrg), Status: leadsvc.Set(leadsvc.StatusClosed)},
		{Status: leadsvc.Set(leadsvc.Status("x"))},
		{PhoneNumber: leadsvc.Set(phone), OrganizationID: leadsvc.Set(defaultOrg)},
	} {
		for range 2 {
			noteReads(t, s, note, lead.ID)
		}
		got, err := s.a(t).UpdateLead(t.Context(), lead.ID, changes)
		note("UpdateLead", got, err)
	}
	for _, id := range []string{lead.ID, noOrg} {
		got, err := s.a(t).ClassifyLead(t.Context(), id, leadsvc.Classification{PurchaseIntent: 0.75, Engaged: true, Timeline: "May"})
		note("ClassifyLead", got, err)
		m, err := s.a(t).AppendMessage(t.Context(), leadsvc.Message{
			LeadID: id, Content: "hi", SentBy: leadsvc.SenderAgent, Type: leadsvc.ChannelSMS, ExternalID: "SM1",
		})
		note("AppendMessage", m, err)
		noteReads(t, s, note, lead.ID)
	}
	return lines
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?`)
)

func noteReads(t *testing.T, s *scene, note func(string, any, error), leadID string) {
	t.Helper()
	n, ctx := s.a(t), t.Context()
	for _, org := range []string{defaultOrg, otherOrg, noOrg} {
		for _, number := range []string{phone, "6045550000", "restricted"} {
			lead, err := n.FindLeadByPhone(ctx, number, org)
			note("FindLeadByPhone", lead, err)
		}
	}
	for _, number := range []string{"778.652.8784", "", "26296"} {
		lead, err := n.FindOrCreateLead(ctx, number, defaultOrg)
		note("FindOrCreateLead", lead, err)
		org, err := n.OrganizationByPhone(ctx, number)
		note("OrganizationByPhone", org, err)
	}
	for _, id := range []string{leadID, noOrg, "nobody"} {
		lead, err := n.Lead(ctx, id)
		note("Lead", lead, err)
		for _, limit := range []int{0, 1, 7} {
			messages, err := n.Conversations(ctx, id, limit)
			note("Conversations", messages, err)
		}
		summaries, err := n.Summaries(ctx, id)
		note("Summaries", summaries, err)
		session, err := n.Session(ctx, id)
		note("Session", session, err)
		about, err := n.ConversationContext(ctx, id)
		note("ConversationContext", about, err)
		greeting, err := n.Greeting(ctx, id)
		note("Greeting", greeting, err)
	}
}

func withPlainJSON(t testing.TB) *scene {
	t.Helper()
	s := withRedis(t)
	s.nodes = []*node{s.add(t, shared)}
	s.awaitRedis(t)
	return s
}

// withTrouble returns a scene whose Redis gets into trouble after a few calls.
func withTrouble(trouble func(testing.TB, *server.Redis)) func(testing.TB) *scene {
	return func(t testing.TB) *scene {
		t.Helper()
		redis := servertest.Redis(t, "--enable-debug-command", "yes")
		s := withServer(t, redis, 0)
		s.told = func(err error) bool { return delivered(err) || kept(err) }
		calls := 0
		s.between = func(t testing.TB) {
			t.Helper()
			if calls++; calls == 5 {
				trouble(t, redis)
			}
		}
		return s
	}
}

func command(args ...string) func(testing.TB, *server.Redis) {
	return func(t testing.TB, redis *server.Redis) {
		t.Helper()
		if _, err := redis.CLI(args...); err != nil {
			t.Fatalf("%s: %v", args[0], err)
		}
	}
}

// load makes Redis load its data set again, so slowly that it is not done when
// the test is. Every key takes a tenth of a second, and it looks up from its
// work after every kilobyte.
func load(t testing.TB, redis *server.Redis) {
	t.Helper()
	value := strings.Repeat("x", 2000)
	for i := range 1000 {
		command("SET", fmt.Sprint("filler:", i), value)(t, redis)
	}
	for _, args := range [][]string{
		{"SAVE"}, {"CONFIG", "SET", "key-load-delay", "100000"}, {"CONFIG", "SET", "loading-process-events-interval-bytes", "1024"},
	} {
		command(args...)(t, redis)
	}
	var work sync.WaitGroup
	t.Cleanup(func() {
		redis.Kill()
		work.Wait()
	})
	work.Go(func() { redis.CLI("DEBUG", "RELOAD", "NOSAVE") }) //nolint:errcheck // it has no answer before the end
	servertest.Eventually(t, soon, func() bool {
		_, err := redis.CLI("GET", "k")
		return err != nil && strings.Contains(err.Error(), "LOADING")
	}, "Redis to load")
}

func withWrongPassword(t testing.TB) *scene {
	t.Helper()
	redis := servertest.Redis(t, "--requirepass", "right")
	return refusing(t, strings.Replace(redis.URL(), "right", "wrong", 1))
}

// withGarbage returns a scene whose Redis says nothing that can be understood.
func withGarbage(t testing.TB) *scene {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	t.Cleanup(func() { l.Close() })
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				for buf := make([]byte, 1<<12); ; {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					if _, err := io.WriteString(conn, "+\x00\r\n:x\r\n\xff\xff"); err != nil {
						return
					}
				}
			})
		}
	})
	return refusing(t, "redis://"+l.Addr().String())
}

// refusing returns a scene whose Redis takes nobody.
func refusing(t testing.TB, redisURL string) *scene {
	t.Helper()
	s := &scene{fleet: newFleet(t), options: tiered.RedisOptions{URL: redisURL}, between: nothing, told: kept}
	s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
	for _, n := range s.nodes {
		servertest.Eventually(t, soon, func() bool { return n.link.Status().Err != nil }, "the node to be refused")
	}
	return s
}
