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

// loading returns the context of a load for owner, with the values of ctx, that ends
// with owner and at a certain time. cancel must be called.
func loading(ctx, owner context.Context, at time.Time) (_ context.Context, cancel context.CancelFunc) {
	return context.WithDeadline(valued{owner, ctx}, at)
}

// A valued context has the values of another besides its own. It is no child of the
// other: to end it with the owner as well would take a callback.
type valued struct {
	context.Context
	values context.Context
}

func (v valued) Value(key any) any {
	if value := v.Context.Value(key); value != nil {
		return value
	}
	return v.values.Value(key)
}
