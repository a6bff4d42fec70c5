package tiered

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A Target is what an invalidation is about: keys of a cache, see
// [Cache.Target], or all that bear a tag, see [Tagged].
type Target struct {
	keys []string // without RedisOptions.Prefix
	tags []string
}

// Tagged is everything whose [Keyspace.Tag] is tag, in all caches.
func Tagged(tag string) Target { return Target{tags: []string{tag}} }

// tagPrefix comes before a tag, and after RedisOptions.Prefix, in the key of
// its list.
const tagPrefix = reserved + "tag:"

// reserved is how the keys and channels of this package begin.
const reserved = "tiered:"

// escaped returns key, or one like no other if that is reserved.
func escaped(key string) string {
	if strings.HasPrefix(key, reserved) {
		return reserved + "key:" + key
	}
	return key
}

func (r *Redis) tagKey(tag string) string { return r.opts.Prefix + tagPrefix + tag }

// isTag reports whether a Redis key is that of a tag's list.
func (r *Redis) isTag(key string) bool {
	rest, ok := strings.CutPrefix(key, r.opts.Prefix)
	return ok && strings.HasPrefix(rest, tagPrefix)
}

// split tells the keys of tags from others.
func (r *Redis) split(keys []string) (tags, others []string) {
	for _, key := range keys {
		if r.isTag(key) {
			tags = append(tags, key)
		} else {
			others = append(others, key)
		}
	}
	return tags, others
}

// Invalidate is [Cache.Invalidate] for what one change has made old in several
// caches of r: one round trip, and the same errors.
func (r *Redis) Invalidate(ctx context.Context, targets ...Target) error {
	var keys []string
	for _, t := range targets {
		for _, key := range t.keys {
			keys = append(keys, r.opts.Prefix+key)
		}
		for _, tag := range t.tags {
			keys = append(keys, r.tagKey(tag))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	r.forget(keys)
	err := r.announce(ctx, keys)
	// A flight that began since may have read the old value from Redis before
	// it was dropped there, and without tracking nothing would tell: a node
	// ignores its own purge. So forget once more (TestInvalidateTwice).
	r.forget(keys)
	return err
}

func (r *Redis) forget(keys []string) {
	for _, key := range keys {
		r.invalidated(key)
	}
}

// announce deletes keys in Redis and tells the other nodes. What Redis does
// not acknowledge goes to the journal.
func (r *Redis) announce(ctx context.Context, keys []string) error {
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	if !r.power.used.Load() {
		return nil // there is nobody to tell: see switchOn
	}
	err := errNoSession
	if s := r.current.Load(); s.remote != nil {
		if err = s.remote.invalidate(ctx, keys); err != nil && ctx.Err() == nil {
			r.failed(err, keptInJournal)
		}
	}
	switch {
	case err == nil:
		return nil
	case r.ctx.Err() != nil:
		return ErrClosed
	case !r.record(keys):
		return ErrJournalFull
	default:
		return fmt.Errorf("%w: %s", ErrPending, err.Error()) // the cause is none of the caller's
	}
}

var errNoSession = errors.New("no connection to Redis")
