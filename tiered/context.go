package tiered

import (
	"context"
	"time"
)

// endsWith returns a child of ctx that ends with owner too: with the Redis or
// the Cache for whom the work is done. cancel must be called.
func endsWith(ctx, owner context.Context) (_ context.Context, cancel context.CancelFunc) {
	ctx, end := context.WithCancel(ctx)
	stop := context.AfterFunc(owner, end)
	return ctx, func() {
		stop()
		end()
	}
}

// endsBy returns a child of ctx that ends with owner too, and at a certain time.
// cancel must be called.
func endsBy(ctx, owner context.Context, at time.Time) (_ context.Context, cancel context.CancelFunc) {
	ctx, end := context.WithDeadline(ctx, at)
	stop := context.AfterFunc(owner, end)
	return ctx, func() {
		stop()
		end()
	}
}
