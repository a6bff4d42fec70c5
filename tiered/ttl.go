package tiered

import (
	"math/rand/v2"
	"time"
)

// jitter is the share of a TTL that chance may take away, so that entries
// filled together expire apart. It only ever shortens: a TTL is a bound.
const jitter = 0.1

func jittered(ttl time.Duration) time.Duration {
	return ttl - time.Duration(rand.Float64()*jitter*float64(ttl))
}
