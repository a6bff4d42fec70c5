package leadsvc_test

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"leadcache/internal/proxy"
	"leadcache/internal/server"
	"leadcache/internal/servertest"
	"leadcache/leadsvc"
	"leadcache/tiered"
)

// patience is how long the nodes wait for a database that is to be out. One in
// working order takes far less.
const patience = time.Second

// longest is more than any call may take while the database is out, on a
// machine that is busy with other tests.
const longest = 20 * time.Second

// An outage is a scene whose database can be made to fail.
type outage struct {
	*scene
	begin, end func(testing.TB)
}

// outages are the ways in which a database can be out.
var outages = map[string]func(testing.TB) *outage{
	"killed": onServer(func(_ testing.TB, p *server.Postgres) { p.Kill() }, restart),
	"frozen": onServer(func(_ testing.TB, p *server.Postgres) { p.Pause() }, func(_ testing.TB, p *server.Postgres) { p.Resume() }),
	"stops":  onServer(retire, restart),
	"cut off": behindProxy(func(p *proxy.Proxy) { p.Refuse(); p.Cut() }, func(p *proxy.Proxy) {
		p.Restore()
	}),
	"silent":  behindProxy(func(p *proxy.Proxy) { p.Freeze(proxy.Both) }, func(p *proxy.Proxy) { p.Thaw(proxy.Both) }),
	"slow":    behindProxy(func(p *proxy.Proxy) { p.Delay(proxy.FromServer, 3*patience) }, func(p *proxy.Proxy) { p.Delay(proxy.FromServer, 0) }),
	"no room": withoutRoom,
}

// twoNodes completes an outage on a database that has its tables.
func twoNodes(t testing.TB, f *fleet) *outage {
	t.Helper()
	f.timeout = patience
	s := &scene{
		fleet: f, between: nothing, told: delivered,
		options: tiered.RedisOptions{URL: f.redisURL, Prefix: f.prefix, Timeout: soon},
	}
	s.nodes = []*node{s.add(t, leadsvc.Config{}), s.add(t, leadsvc.Config{})}
	s.awaitRedis(t)
	return &outage{scene: s}
}

// onServer is an outage of a server of its own.
func onServer(begin, end func(testing.TB, *server.Postgres)) func(testing.TB) *outage {
	return func(t testing.TB) *outage {
		t.Helper()
		p := servertest.Postgres(t)
		f := fleetOn(t, p.URL())
		f.exec(t, newTables(t))
		o := twoNodes(t, f)
		o.begin = func(t testing.TB) { t.Helper(); begin(t, p) }
		o.end = func(t testing.TB) { t.Helper(); end(t, p) }
		return o
	}
}

func restart(t testing.TB, p *server.Postgres) {
	t.Helper()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// retire has a server stop when its last client leaves, one that the test
// still has, and take no new ones. Those of the nodes are turned out.
func retire(t testing.TB, p *server.Postgres) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(p.Dir(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{sql: connect(t, p.URL())}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	f.turnOut(t, `application_name = 'leadcache'`)
}

// turnOut ends the connections that a condition is about.
func (f *fleet) turnOut(t testing.TB, condition string) {
	t.Helper()
	f.exec(t, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND `+condition)
}

// behindProxy is an outage of the network.
func behindProxy(begin, end func(*proxy.Proxy)) func(testing.TB) *outage {
	return func(t testing.TB) *outage {
		t.Helper()
		f := newFleet(t)
		p := f.proxied(t)
		o := twoNodes(t, f)
		o.begin = func(testing.TB) { begin(p) }
		o.end = func(testing.TB) { end(p) }
		return o
	}
}

// proxied puts a proxy between the database and the nodes to come.
func (f *fleet) proxied(t testing.TB) *proxy.Proxy {
	t.Helper()
	p, through, err := proxy.InFront(f.databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	f.databaseURL = through
	return p
}

// withoutRoom is an outage of a server that has no connections left for the
// role of the nodes.
func withoutRoom(t testing.TB) *outage {
	t.Helper()
	f := newFleet(t)
	role := f.asRole(t)
	o := twoNodes(t, f)
	o.begin = func(t testing.TB) {
		t.Helper()
		f.exec(t, `ALTER ROLE `+role+` CONNECTION LIMIT 0`)
		f.turnOut(t, `usename = '`+role+`'`)
	}
	o.end = func(t testing.TB) {
		t.Helper()
		f.exec(t, `ALTER ROLE `+role+` CONNECTION LIMIT -1`)
	}
	return o
}

// asRole makes a role that may do what nodes do, and has the nodes to come use
// it.
func (f *fleet) asRole(t testing.TB) (name string) {
	t.Helper()
	u, err := url.Parse(f.databaseURL)
	if err != nil {
		t.Fatal("the database's URL does not parse")
	}
	name = "test_" + strings.ToLower(rand.Text())
	schema := u.Query().Get("search_path")
	for _, sql := range []string{
		`CREATE ROLE ` + name + ` LOGIN PASSWORD 's3cret'`,
		`GRANT USAGE ON SCHEMA ` + schema + ` TO ` + name,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ` + schema + ` TO ` + name,
	} {
		f.exec(t, sql)
	}
	owner := f.databaseURL
	t.Cleanup(func() { dropRole(t, owner, name) })
	u.User = url.UserPassword(name, "s3cret")
	f.databaseURL = u.String()
	return name
}

func dropRole(t testing.TB, databaseURL, role string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `DROP OWNED BY `+role+`; DROP ROLE `+role); err != nil {
		t.Errorf("the role is left behind: %v", err)
	}
}
