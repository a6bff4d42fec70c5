package tiered

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"
)

// jitter is the share of a TTL that chance may take away, so that entries
// filled together expire apart. It only ever shortens: a TTL is a bound.
const jitter = 0.1

func jittered(ttl time.Duration) time.Duration { return shortened(ttl, rand.Float64()) }

// jitteredBy is jittered with the key in the place of chance: the same on every
// node.
func jitteredBy(key string, ttl time.Duration) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(key))
	return shortened(ttl, float64(h.Sum64())/math.MaxUint64)
}

func shortened(ttl time.Duration, share float64) time.Duration {
	return ttl - time.Duration(share*jitter*float64(ttl))
}
