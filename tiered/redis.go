package tiered

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// RedisOptions tell [Dial] where Redis is and what to expect of it. The zero
// value of each field but URL means the default that its comment names.
type RedisOptions struct {
	// URL of the server: redis://[user:password@]host[:port][/database],
	// rediss:// for TLS, unix:///path/to/socket. Its dial_timeout (default
	// 250ms), client_name and protocol (2: no tracking) parameters are heeded.
	// One server, or one address that leads to it; no cluster, no sentinel.
	URL string

	// Prefix is put before every Redis key and channel, so that several
	// environments can share a server. Nodes with the same prefix are one
	// fleet. Default none.
	Prefix string

	// Timeout bounds the wait for Redis in each step of a read, and in an
	// invalidation. When it ends a wait, nobody else waits until Redis answers
	// in time again: choose it well above two round trips, as a read that comes
	// after a wait for another node has half of it. Default 50 milliseconds.
	Timeout time.Duration

	// MaxStale bounds how long a value may be served from the local tier
	// while this node cannot hear of changes. Default 1 second.
	MaxStale time.Duration

	// Disabled switches Redis off from the start, as [Redis.SetEnabled] does
	// later on. URL is not looked at until Redis is switched on.
	Disabled bool

	// Logger is told when the link to Redis comes and goes. It never sees a
	// key, a value or a password. Default [slog.Default].
	Logger *slog.Logger
}

const (
	defaultTimeout     = 50 * time.Millisecond
	defaultMaxStale    = time.Second
	defaultDialTimeout = 250 * time.Millisecond

	// An idle connection is asked for a sign of life this often, and given up
	// when none comes within that time: rueidis' defaults take 12 seconds to
	// notice a frozen server.
	pingEvery   = 500 * time.Millisecond
	pingTimeout = time.Second

	connBuffer = 64 << 10 // bytes, each way; a value larger than that costs a few more system calls

	purgeChannel = reserved + "purge:" // after the prefix, before the database
)

// Redis is one node's link to Redis. The caches of a process share one: it
// owns two connections. One carries commands, tracking pushes and purges in one
// order; on the other a caller who is alone reads, and who reads many keys. Its
// methods may be called from several goroutines.
type Redis struct {
	opts   RedisOptions
	node   nodeID
	clock  clock
	client rueidis.Client // nil until Redis is switched on
	dialer dialer

	dialTimeout time.Duration
	login       [][]string // the commands with which a connection that rueidis does not make begins
	database    int

	latency  latency // of reads
	failures failureCounts

	lives   lives
	journal journal
	wake    chan struct{} // tells supervise that the journal has keys

	current   atomic.Pointer[session] // never nil
	receivers atomic.Pointer[[]receiver]

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	power  power

	mu       sync.Mutex // guards names, status, warnings, and writes of current and receivers
	names    map[string]bool
	status   RedisStatus
	warnings map[string]warning // by text
}

// Dial returns at once: the connection is made, and made again whenever it is
// lost, in the background. A server that is down, or refuses, is no error;
// until there is a connection the caches ask their loaders. The error names
// the field of o that is wrong, and never contains the URL.
func Dial(o RedisOptions) (*Redis, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}

	r := &Redis{opts: o, clock: newClock(), wake: make(chan struct{}, 1), names: make(map[string]bool), warnings: make(map[string]warning)}
	rand.Read(r.node[:])
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.power.done = closed
	r.status = RedisStatus{Enabled: !o.Disabled, Since: time.Now()}
	if o.Disabled {
		r.current.Store(newSession(0))
		return r, nil
	}
	r.current.Store(newSession(o.MaxStale))
	if err := r.makeClient(); err != nil {
		r.cancel()
		return nil, err
	}
	r.power.used.Store(true)
	r.start()
	return r, nil
}

// makeClient makes the client, which connects to nothing yet.
func (r *Redis) makeClient() error {
	co, err := clientOption(r.opts.URL)
	if err != nil {
		return err
	}
	r.dialTimeout, r.database, r.login = co.Dialer.Timeout, co.SelectDB, login(co)
	r.dialer.base = co.DialCtxFn
	co.DialCtxFn = r.dialer.dial
	// NewClient wants to dial a connection for all to share. This node uses a
	// dedicated one, so the dialer, which has no link to dial for, refuses;
	// ForceSingleClient makes NewClient return the client all the same.
	r.client, err = rueidis.NewClient(co)
	if r.client == nil {
		return fmt.Errorf("tiered: redis client: %w", err)
	}
	return nil
}

// login returns the commands that do what rueidis does when it connects.
func login(co rueidis.ClientOption) (commands [][]string) {
	if co.Username != "" || co.Password != "" {
		commands = append(commands, []string{"AUTH", cmp.Or(co.Username, "default"), co.Password})
	}
	if co.ClientName != "" {
		commands = append(commands, []string{"CLIENT", "SETNAME", co.ClientName})
	}
	if co.SelectDB != 0 {
		commands = append(commands, []string{"SELECT", strconv.Itoa(co.SelectDB)})
	}
	return commands
}

// Validate returns the error that [Dial] would return for o. It makes no
// connection.
func (o RedisOptions) Validate() error {
	_, err := o.resolve()
	return err
}

// resolve returns o with its defaults.
func (o RedisOptions) resolve() (RedisOptions, error) {
	o.Timeout = orDefault(o.Timeout, defaultTimeout)
	o.MaxStale = orDefault(o.MaxStale, defaultMaxStale)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	err := errors.Join(
		atLeast("RedisOptions.Timeout", o.Timeout, time.Millisecond),
		atLeast("RedisOptions.MaxStale", o.MaxStale, minTTL),
	)
	if o.Disabled {
		return o, err
	}
	_, urlErr := clientOption(o.URL)
	return o, errors.Join(err, urlErr)
}

var errURL = errors.New("tiered: RedisOptions.URL: want redis://[user:password@]host[:port][/database]," +
	" rediss://… or unix:///path (special characters in a password are written %xx)")

// clientOption parses url. Its errors do not repeat any part of the URL: what
// fails to parse may well be the password.
func clientOption(raw string) (rueidis.ClientOption, error) {
	if raw == "" {
		return rueidis.ClientOption{}, errors.New("tiered: RedisOptions.URL is empty")
	}
	if u, err := url.Parse(raw); err != nil || (u.Host == "" && u.Scheme != "unix") {
		return rueidis.ClientOption{}, errURL
	}
	co, err := rueidis.ParseURL(raw)
	if err != nil {
		return co, errURL
	}
	if co.Sentinel.MasterSet != "" || len(co.InitAddress) != 1 {
		return co, errors.New("tiered: RedisOptions.URL names a sentinel or several servers; one address is supported")
	}
	co.ForceSingleClient = true
	co.DisableRetry = true
	co.DisableCache = true // no second copy of the values; link switches tracking on
	co.AlwaysPipelining = true
	co.ReadBufferEachConn, co.WriteBufferEachConn = connBuffer, connBuffer
	co.Dialer.Timeout = orDefault(co.Dialer.Timeout, defaultDialTimeout)
	co.Dialer.KeepAlive = pingEvery
	co.ConnWriteTimeout = pingTimeout
	return co, nil
}

// RedisStatus says how the link to Redis does.
type RedisStatus struct {
	Enabled   bool          // Redis is switched on
	Connected bool          // commands, pushes and purges flow
	Tracking  bool          // Redis pushes changes; without it purges alone reach this node
	Since     time.Time     // when Connected last changed
	Latency   time.Duration // of the latest reads, a moving average; 0: none yet
	Sessions  uint64        // times that what the local tiers held was given up, or a connection made or lost
	Pending   int           // invalidations that Redis has not acknowledged
	Lease     time.Duration // how much longer the local tiers may be served without news from Redis; 0: not at all
	Late      bool          // Redis has left a command without a reply: nobody waits for it until it answers
	OpenSince time.Time     // since when the circuit breaker is open: too many commands have failed, few reads ask Redis; zero: it is closed
	Failures  Failures      // since Dial
	Err       error         // the latest failure of a connection or a command; it stays when all is well again
}

// Status returns a snapshot of the link's state.
func (r *Redis) Status() RedisStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.status
	s := r.current.Load()
	st.Sessions = s.id
	st.Lease = time.Duration(max(0, s.freshUntil.Load()-r.clock.now()))
	if l, ok := s.remote.(*link); ok {
		st.Late, st.OpenSince = l.late.now(), l.breaker.openSince()
	}
	st.Failures = r.failures.snapshot()
	st.Pending = int(r.journal.count.Load())
	st.Latency = r.latency.average()
	return st
}

// Close ends the connection and waits for its goroutines. Caches that still
// use r go on without Redis and keep nothing locally for longer than MaxStale;
// what they invalidate reaches no other node. Close may be called again.
func (r *Redis) Close() error {
	r.cancel()
	r.power.mu.Lock() // SetEnabled refuses from now on
	defer r.power.mu.Unlock()
	<-r.power.done
	if r.client != nil {
		r.client.Close()
	}
	return nil
}

// enroll adds a cache under a name that no other cache of r has.
func (r *Redis) enroll(name string, c receiver) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	if r.names[name] {
		return fmt.Errorf("tiered: Keyspace.Name %q is in use", name)
	}
	r.names[name] = true
	list := append(slices.Clone(r.listeners()), c)
	r.receivers.Store(&list)
	return nil
}

// leave undoes enroll.
func (r *Redis) leave(name string, c receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.names, name)
	list := slices.DeleteFunc(slices.Clone(r.listeners()), func(o receiver) bool { return o == c })
	r.receivers.Store(&list)
}

func (r *Redis) listeners() []receiver {
	if p := r.receivers.Load(); p != nil {
		return *p
	}
	return nil
}

// stateKey is that of a hash: the life of the server, and how many purges were
// sent in it.
func (r *Redis) stateKey() string { return r.opts.Prefix + reserved + "state" }

// pushed passes a push on to every cache.
func (r *Redis) pushed(key string) {
	for _, c := range r.listeners() {
		c.pushed(key)
	}
}

// purged passes a purge on to every cache.
func (r *Redis) purged(key string) {
	for _, c := range r.listeners() {
		c.purged(key)
	}
}

// invalidated passes an invalidation of this node on to every cache.
func (r *Redis) invalidated(key string) {
	for _, c := range r.listeners() {
		c.invalidated(key)
	}
}
