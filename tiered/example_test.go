package tiered_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadcache/tiered"
)

// A cache over a map. Redis is switched off so that the example runs anywhere;
// with RedisOptions{URL: …} the rest stays as it is.
func Example() {
	rdb, err := tiered.Dial(tiered.RedisOptions{Disabled: true})
	if err != nil {
		panic(err)
	}
	defer rdb.Close()

	prices := map[string]int{"bell": 12}
	loader := tiered.LoaderFunc[string, int](func(_ context.Context, item string) (int, error) {
		price, ok := prices[item]
		if !ok {
			return 0, tiered.ErrNotFound
		}
		return price, nil
	})
	keys := tiered.Keyspace[string]{Name: "price", Key: func(item string) string { return "price:" + item }}
	cache, err := tiered.New(rdb, keys, loader, tiered.Options{})
	if err != nil {
		panic(err)
	}
	defer cache.Close()

	ctx := context.Background()
	fmt.Println(cache.Get(ctx, "bell"))
	_, err = cache.Get(ctx, "saddle")
	fmt.Println(errors.Is(err, tiered.ErrNotFound))

	prices["bell"] = 15 // commit the change, then:
	if err := cache.Invalidate(ctx, "bell"); err != nil {
		panic(err)
	}
	fmt.Println(cache.Get(ctx, "bell"))
	// Output:
	// 12 <nil>
	// true
	// 15 <nil>
}

// With Options.ServeStale, a value that could not be renewed comes with an error
// that says so.
func ExampleStaleError() {
	get := func() (string, error) { // a Cache's Get, while the database is away
		return "bell: 12", &tiered.StaleError{Age: 7 * time.Minute, Err: errors.New("no connection")}
	}
	answer, err := get()
	if stale, ok := errors.AsType[*tiered.StaleError](err); ok {
		fmt.Printf("%s (as of %v ago)\n", answer, stale.Age)
	} else if err != nil {
		fmt.Println("no answer:", err)
	}
	fmt.Println(err)
	// Output:
	// bell: 12 (as of 7m0s ago)
	// tiered: the value is 7m0s old: no connection
}

// priceList is a ManyLoader: it has all prices at hand.
type priceList map[string]int

func (p priceList) Load(_ context.Context, item string) (int, error) {
	price, ok := p[item]
	if !ok {
		return 0, tiered.ErrNotFound
	}
	return price, nil
}

func (p priceList) LoadMany(_ context.Context, items []string) (map[string]int, error) {
	prices := make(map[string]int)
	for _, item := range items { // a database does this in one query
		if price, ok := p[item]; ok {
			prices[item] = price
		}
	}
	return prices, nil
}

// What is not in the cache is loaded in one call.
func ExampleCache_GetMany() {
	rdb, err := tiered.Dial(tiered.RedisOptions{Disabled: true})
	if err != nil {
		panic(err)
	}
	defer rdb.Close()
	keys := tiered.Keyspace[string]{Name: "price", Key: func(item string) string { return "price:" + item }}
	cache, err := tiered.New(rdb, keys, priceList{"bell": 12, "pump": 20}, tiered.Options{})
	if err != nil {
		panic(err)
	}
	defer cache.Close()

	for _, r := range cache.GetMany(context.Background(), []string{"pump", "saddle", "bell"}) {
		fmt.Println(r.Value, r.Err)
	}
	fmt.Println("calls of the loader:", cache.Stats().Batches)
	// Output:
	// 20 <nil>
	// 0 tiered: not found
	// 12 <nil>
	// calls of the loader: 1
}
