package tiered

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// fakeServer plays Redis where a test needs its own clock (a synctest bubble,
// which real sockets cannot enter). TestRemote holds it to the rules of
// remote, beside the real one.
type fakeServer struct {
	mu      sync.Mutex
	values  map[string]fakeValue
	tags    map[string]map[string]bool // key of a tag → keys it lists
	readers map[string]map[*fakeRemote]bool
	nodes   []*fakeRemote
}

type fakeValue struct {
	bytes   []byte
	expires time.Time
}

// fakeRemote is one node's connection to a fakeServer.
type fakeRemote struct {
	server *fakeServer
	to     receiver
}

func newFakeServer() *fakeServer {
	return &fakeServer{
		values:  make(map[string]fakeValue),
		tags:    make(map[string]map[string]bool),
		readers: make(map[string]map[*fakeRemote]bool),
	}
}

func (s *fakeServer) connect(to receiver) *fakeRemote {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &fakeRemote{server: s, to: to}
	s.nodes = append(s.nodes, n)
	return n
}

// redis returns a Redis whose session is with the fake server.
func (s *fakeServer) redis() *Redis {
	r, err := Dial(RedisOptions{Disabled: true, MaxStale: time.Second, Timeout: 10 * time.Second})
	if err != nil {
		panic(err)
	}
	r.status.Enabled = true
	r.power.used.Store(true)
	setRemote(r, s.connect(r), forever)
	return r
}

// setRemote begins a session of r with rem, or without Redis if rem is nil.
func setRemote(r *Redis, rem remote, keepFor time.Duration) {
	old := r.current.Load()
	s := newSession(keepFor)
	if rem != nil {
		s.renew(endless)
	}
	s.id = old.id + 1
	s.floor = s.id
	s.remote, s.life, s.tracked = rem, old.life, old.tracked || rem != nil
	r.current.Store(s)
	close(old.over)
}

func (s *fakeServer) getLocked(key string) []byte {
	v, ok := s.values[key]
	if ok && !time.Now().Before(v.expires) {
		s.changeLocked(key, nil, 0)
		return nil
	}
	return v.bytes
}

// changeLocked writes a key (nil deletes it) and pushes.
func (s *fakeServer) changeLocked(key string, value []byte, ttl time.Duration) {
	if _, ok := s.values[key]; !ok && value == nil {
		return
	}
	if value == nil {
		delete(s.values, key)
	} else {
		s.values[key] = fakeValue{value, time.Now().Add(ttl)}
	}
	readers := s.readers[key]
	delete(s.readers, key)
	for n := range readers {
		n.to.pushed(key)
	}
}

func (s *fakeServer) registerLocked(key string, n *fakeRemote) {
	if s.readers[key] == nil {
		s.readers[key] = make(map[*fakeRemote]bool)
	}
	s.readers[key][n] = true
}

func (n *fakeRemote) read(ctx context.Context, at place) ([]byte, time.Duration, error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	value := n.server.visibleLocked(at)
	n.server.registerLocked(at.key, n)
	if value == nil {
		return nil, 0, ctx.Err()
	}
	n.server.listLocked(at)
	return value, time.Until(n.server.values[at.key].expires), ctx.Err()
}

func (n *fakeRemote) lease(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if old != nil {
		return n.server.swapLocked(at, old, value, ttl), ctx.Err()
	}
	if n.server.visibleLocked(at) != nil {
		return false, ctx.Err()
	}
	n.server.changeLocked(at.key, value, ttl)
	n.server.listLocked(at)
	return true, ctx.Err()
}

func (n *fakeRemote) hearOut(ctx context.Context) error { return ctx.Err() }

func (n *fakeRemote) fill(ctx context.Context, at place, lease, value []byte, ttl time.Duration) (bool, error) {
	if at.tag != "" {
		return n.swap(ctx, at, lease, value, ttl)
	}
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	return n.server.putLocked(n, at, lease, value, ttl), ctx.Err()
}

func (n *fakeRemote) swap(ctx context.Context, at place, old, value []byte, ttl time.Duration) (bool, error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	n.server.registerLocked(at.key, n)
	return n.server.putLocked(n, at, old, value, ttl), ctx.Err()
}

// putLocked is swapLocked, and registers n.
func (s *fakeServer) putLocked(n *fakeRemote, at place, old, value []byte, ttl time.Duration) bool {
	ok := s.swapLocked(at, old, value, ttl)
	if ok {
		s.registerLocked(at.key, n)
	}
	return ok
}

func (s *fakeServer) swapLocked(at place, old, value []byte, ttl time.Duration) bool {
	held := s.getLocked(at.key)
	if held == nil || !bytes.Equal(held, old) || at.tag != "" && !s.tags[at.tag][at.key] {
		return false
	}
	s.changeLocked(at.key, value, ttl)
	return true
}

func (n *fakeRemote) drop(ctx context.Context, at place, old []byte) (bool, error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	held := n.server.getLocked(at.key)
	if held == nil || !bytes.Equal(held, old) {
		return false, ctx.Err()
	}
	n.server.changeLocked(at.key, nil, 0)
	return true, ctx.Err()
}

func (n *fakeRemote) giveBack(ctx context.Context, at place, old []byte) error {
	_, err := n.drop(ctx, at, old)
	return err
}

// fakeTogether is for how many keys a fake has room at a time: few, so that
// callers meet the end of it.
const fakeTogether = 3

func (n *fakeRemote) readMany(ctx context.Context, at []place) []reply {
	replies := make([]reply, min(len(at), fakeTogether))
	for i := range replies {
		r := &replies[i]
		r.held, r.left, r.err = n.read(ctx, at[i])
	}
	return replies
}

func (n *fakeRemote) writeMany(ctx context.Context, writes []write) []reply {
	replies := make([]reply, min(len(writes), fakeTogether))
	for i := range replies {
		r, w := &replies[i], writes[i]
		switch w.verb {
		case toDrop:
			r.done, r.err = n.drop(ctx, w.at, w.old)
		case toFill:
			r.done, r.err = n.fill(ctx, w.at, w.old, w.value, w.ttl)
		case toLease:
			r.done, r.err = n.lease(ctx, w.at, w.old, w.value, w.ttl)
		}
	}
	return replies
}

func (n *fakeRemote) invalidate(ctx context.Context, keys []string) error {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	for _, key := range keys {
		n.server.changeLocked(key, nil, 0)
		for bearer := range n.server.tags[key] {
			n.server.changeLocked(bearer, nil, 0)
		}
		delete(n.server.tags, key)
		for _, o := range n.server.nodes {
			if o != n {
				o.to.purged(key)
			}
		}
	}
	return ctx.Err()
}

// visibleLocked returns what is at a place, but no orphan (rule 6).
func (s *fakeServer) visibleLocked(at place) []byte {
	value := s.getLocked(at.key)
	foreign := at.plain && !bytes.HasPrefix(value, []byte(jsonNull)) && !bytes.HasSuffix(value, []byte{ownMark})
	if at.tag != "" && !s.tags[at.tag][at.key] && !foreign {
		return nil
	}
	return value
}

func (s *fakeServer) listLocked(at place) {
	if at.tag == "" {
		return
	}
	if s.tags[at.tag] == nil {
		s.tags[at.tag] = make(map[string]bool)
	}
	s.tags[at.tag][at.key] = true
}
