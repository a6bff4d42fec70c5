package leadsvc_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"leadcache/leadsvc"
	"leadcache/pg"
	"leadcache/tiered"
)

func Example() {
	ctx := context.Background()
	rdb, err := tiered.Dial(tiered.RedisOptions{URL: os.Getenv("REDIS_URL")}) // Redis may be down
	if err != nil {
		log.Fatal(err)
	}
	defer rdb.Close()
	db, err := pg.Open(ctx, pg.Options{URL: os.Getenv("DATABASE_URL")})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	leads, err := leadsvc.New(rdb, db, leadsvc.Config{}) // after db.Migrate, once
	if err != nil {
		log.Fatal(err)
	}
	defer leads.Close()

	lead, err := leads.FindOrCreateLead(ctx, "+1 778 652 8784", "b0c1b1c1-0000-0000-0000-000000000001")
	fmt.Println(lead.PhoneNumberNormalized, lead.Status, err)
}
