package pg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestMigrate(t *testing.T) {
	t.Parallel()

	t.Run("empty schema, twice", func(t *testing.T) {
		t.Parallel()
		url := servertest.Schema(t, servertest.DatabaseURL(t))
		db := migrated(t, url)
		o, err := db.Organization(t.Context(), defaultOrg)
		if err != nil {
			t.Fatalf("the default organization is not there: %v", err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatalf("second Migrate: %v", err)
		}
		again, err := db.Organization(t.Context(), defaultOrg)
		if err != nil || again != o {
			t.Errorf("Organization after the second Migrate = %+v, %v, want %+v", again, err, o)
		}
	})

	t.Run("several nodes at once", func(t *testing.T) {
		t.Parallel()
		url := servertest.Schema(t, servertest.DatabaseURL(t))
		var nodes sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			db := open(t, url)
			nodes.Go(func() { errs[i] = db.Migrate(t.Context()) })
		}
		nodes.Wait()
		for i, err := range errs {
			if err != nil {
				t.Errorf("node %d: Migrate: %v", i, err)
			}
		}
		if n := query[int](t, url, `SELECT count(*) FROM leadcache_schema_version WHERE version_id > 0`); n != 4 {
			t.Errorf("%d migrations were recorded, want 4", n)
		}
	})

	t.Run("a waiting node obeys its context", func(t *testing.T) {
		t.Parallel()
		url := servertest.Schema(t, servertest.DatabaseURL(t))
		holder := connect(t, url)
		if _, err := holder.Exec(t.Context(), `SELECT pg_advisory_lock(32169132, hashtext(current_schema()))`); err != nil {
			t.Fatal(err)
		}
		db := open(t, url)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- db.Migrate(ctx) }()
		servertest.Eventually(t, 30*time.Second, func() bool { return waiting(t, url, holder) == 1 }, "Migrate to wait for its turn")
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Migrate = %v, want context.Canceled", err)
		}
	})
}

func TestMigrateOldDatabase(t *testing.T) {
	t.Parallel()
	url := with(t, servertest.Schema(t, servertest.DatabaseURL(t)), "timezone", "America/Vancouver")
	exec(t, url, oldTables)
	exec(t, url, `
		INSERT INTO organizations (id, name, slug, phone_number)
			VALUES ('11111111-1111-1111-1111-111111111111', 'Bici', 'bici', '(604) 670-0262');
		INSERT INTO leads (id, organization_id, phone_number, customer_name, sentiment, bike_interest, created_at, updated_at) VALUES
			('22222222-2222-2222-2222-222222222222', '11111111-1111-1111-1111-111111111111',
				'(778) 652-8784', 'Ann', 'positive', '{ "type" : "road" }', '2024-01-02 03:04:05.678901', NULL),
			('33333333-3333-3333-3333-333333333333', '11111111-1111-1111-1111-111111111111',
				'anonymous', NULL, NULL, NULL, NULL, NULL),
			('44444444-4444-4444-4444-444444444444', '55555555-5555-5555-5555-555555555555',
				'its organization is gone', NULL, NULL, NULL, NULL, NULL);
		INSERT INTO conversations (organization_id, lead_id, content, sent_by, type)
			VALUES ('11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222', 'hi', 'user', 'sms');`)
	const untouched = `SELECT string_agg(to_jsonb(l)::text, E'\n' ORDER BY id) FROM
		(SELECT id, organization_id, phone_number, customer_name, status, sentiment, assigned_to, created_at, updated_at FROM leads) l`
	before := query[string](t, url, untouched)

	db := migrated(t, url)
	if diff := cmp.Diff(before, query[string](t, url, untouched)); diff != "" {
		t.Errorf("Migrate changed leads (-before +after):\n%s", diff)
	}

	const org, ann, anonymous = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222",
		"33333333-3333-3333-3333-333333333333"
	lead, err := db.LeadByPhone(t.Context(), org, "17786528784")
	if err != nil {
		t.Fatalf("LeadByPhone: %v", err)
	}
	if lead.ID != ann || lead.BikeInterest != `{"type":"road"}` || lead.Status != pg.StatusNew ||
		!lead.UpdatedAt.IsZero() || lead.CreatedAt.Format("2006-01-02T15:04:05.000000Z07:00") != "2024-01-02T03:04:05.678901Z" {
		t.Errorf("LeadByPhone = %+v", lead)
	}
	if lead, err := db.Lead(t.Context(), anonymous); err != nil || lead.PhoneNumberNormalized != "" ||
		lead.Sentiment != pg.SentimentNeutral {
		t.Errorf("Lead without a number = %+v, %v", lead, err)
	}
	if o, err := db.OrganizationByNormalizedPhone(t.Context(), "16046700262"); err != nil || o.ID != org {
		t.Errorf("OrganizationByNormalizedPhone = %+v, %v", o, err)
	}
	if c, err := db.Conversations(t.Context(), ann, 10); err != nil || len(c) != 1 || c[0].Content != "hi" {
		t.Errorf("Conversations = %+v, %v", c, err)
	}
	if _, err := db.Organization(t.Context(), defaultOrg); err != nil {
		t.Errorf("the default organization was not made: %v", err)
	}
}

// databases are what Migrate may find.
var databases = map[string]string{"empty": "", "old": oldTables}

// Tests that are not about Migrate run its files as one script.
func TestMigrateDoesWhatItsFilesSay(t *testing.T) {
	t.Parallel()
	const definitions = `SELECT string_agg(definition, E'\n' ORDER BY definition) FROM (
			SELECT concat_ws(' ', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
				pg_get_expr(adbin, adrelid)) AS definition
			FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
			WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace)
		UNION ALL
			SELECT replace(indexdef, current_schema(), '') FROM pg_indexes WHERE schemaname = current_schema()
		UNION ALL
			SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
			FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
		UNION ALL
			SELECT concat_ws(' ', id, name) FROM organizations
		) d WHERE definition NOT LIKE '%leadcache_schema_version%'`
	for name, before := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := servertest.Schema(t, servertest.DatabaseURL(t), before)
			migrated(t, url)
			want := query[string](t, url, definitions)
			url = servertest.Schema(t, servertest.DatabaseURL(t), before, newTables(t))
			if diff := cmp.Diff(want, query[string](t, url, definitions)); diff != "" {
				t.Errorf("(-Migrate +script):\n%s", diff)
			}
			if !strings.Contains(want, "leadcache_leads_phone") || !strings.Contains(want, defaultOrg) {
				t.Errorf("the definitions leave something out:\n%s", want)
			}
		})
	}
}

// Whatever it was before, the database refuses a lead of no organization.
func TestMigrateAddsTheReference(t *testing.T) {
	t.Parallel()
	for name, before := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := servertest.Schema(t, servertest.DatabaseURL(t), before)
			migrated(t, url)
			_, err := connect(t, url).Exec(t.Context(), `INSERT INTO leads (organization_id, phone_number, phone_number_normalized)
				VALUES ('55555555-5555-5555-5555-555555555555', '1', '1')`)
			pgErr, ok := errors.AsType[*pgconn.PgError](err)
			if !ok || pgErr.Code != "23503" {
				t.Errorf("a lead of no organization: %v, want a foreign key violation", err)
			}
		})
	}
}

// The old service's table may want more of an organization than we can fill in.
func TestMigrateWithoutDefaultOrganization(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `ALTER TABLE organizations ALTER slug SET NOT NULL`)
	var out bytes.Buffer
	db, err := pg.Open(t.Context(), pg.Options{URL: url, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	if text := out.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "default organization") {
		t.Errorf("the log says nothing of the default organization:\n%s", text)
	}
	if _, err := db.Organization(t.Context(), defaultOrg); !errors.Is(err, tiered.ErrNotFound) {
		t.Errorf("Organization: %v, want ErrNotFound", err)
	}
}

func TestMigrateDuplicates(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `
		INSERT INTO organizations (id, name) VALUES ('11111111-1111-1111-1111-111111111111', 'Bici');
		INSERT INTO leads (organization_id, phone_number)
			SELECT '11111111-1111-1111-1111-111111111111', n FROM unnest(ARRAY['+17786528784', '7786528784', '1-778-652-8784', '+16045550000']) n`)
	db := open(t, url)
	err := db.Migrate(t.Context())
	if err == nil {
		t.Fatal("Migrate accepted two leads with one phone number")
	}
	text := err.Error()
	if !strings.Contains(text, "2 duplicate leads") || strings.Contains(text, "778") {
		t.Errorf("Migrate: %v, want the number of duplicates and no phone number", err)
	}
	_, list, found := strings.Cut(text, "listed by: ")
	if !found {
		t.Fatalf("Migrate: %v, want the statement that lists the duplicates", err)
	}
	if n := query[int](t, url, `SELECT count(*) FROM (`+list+`) d`); n != 1 {
		t.Errorf("the statement lists %d groups, want 1", n)
	}

	exec(t, url, `DELETE FROM leads WHERE phone_number IN ('7786528784', '1-778-652-8784')`)
	if err := db.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate after the duplicates are gone: %v", err)
	}
}

func TestMigrateKeepsAUniqueIndexOfAnotherName(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `ALTER TABLE leads ADD phone_number_normalized varchar(20),
		ADD CONSTRAINT their_own UNIQUE (phone_number_normalized, organization_id)`)
	db := migrated(t, url)
	if n := query[int](t, url, `SELECT count(*) FROM pg_index
		WHERE indrelid = 'leads'::regclass AND indisunique AND NOT indisprimary`); n != 1 {
		t.Errorf("leads has %d unique indexes, want the one it had", n)
	}
	if _, created, err := db.CreateLead(t.Context(), defaultOrg, "+17786528784", "17786528784"); err != nil || !created {
		t.Errorf("CreateLead = %v, %v, want a new lead", created, err)
	}
}

// An index that is not there for every row does not make one lead of many.
func TestMigrateDoesNotTrustAPartialIndex(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `ALTER TABLE leads ADD phone_number_normalized varchar(20);
		CREATE UNIQUE INDEX theirs ON leads (organization_id, phone_number_normalized) WHERE customer_name IS NOT NULL`)
	db := migrated(t, url)
	addLead(t, db, "17786528784")
	if _, created, err := db.CreateLead(t.Context(), defaultOrg, "+17786528784", "17786528784"); err != nil || created {
		t.Errorf("second CreateLead = %v, %v, want the lead that is there", created, err)
	}
}

// ON CONFLICT fails over a deferrable constraint, even beside another index.
func TestMigrateRefusesADeferrableConstraint(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `ALTER TABLE leads ADD phone_number_normalized varchar(20),
		ADD CONSTRAINT theirs UNIQUE (organization_id, phone_number_normalized) DEFERRABLE`)
	db := open(t, url)
	if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "deferrable") {
		t.Fatalf("Migrate = %v, want it to say what is in the way", err)
	}
	exec(t, url, `ALTER TABLE leads DROP CONSTRAINT theirs`)
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate after it is gone: %v", err)
	}
	addLead(t, db, "17786528784")
}

// What a trigger of the old database says may quote its rows.
func TestMigrateRepeatsNoRow(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"WARNING", "EXCEPTION"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			url := servertest.Schema(t, servertest.DatabaseURL(t))
			exec(t, url, oldTables)
			exec(t, url, `INSERT INTO leads (phone_number) VALUES ('7786528784');
				CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS
					$$ BEGIN RAISE `+level+` 'odd number %', NEW.phone_number; RETURN NEW; END $$;
				CREATE TRIGGER loud BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION loud();`)
			var out bytes.Buffer
			db, err := pg.Open(t.Context(), pg.Options{URL: url, Logger: slog.New(slog.NewTextHandler(&out, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			text := fmt.Sprint(db.Migrate(t.Context()), out.String())
			code := map[string]string{"WARNING": "01000", "EXCEPTION": "P0001"}[level]
			if strings.Contains(text, "778652") || !strings.Contains(text, code) {
				t.Errorf("Migrate says %s, want SQLSTATE %s and no phone number", text, code)
			}
		})
	}
}

func TestMigrateDuplicateMessages(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `ALTER TABLE conversations ADD external_id text;
		INSERT INTO leads (id, phone_number) VALUES ('22222222-2222-2222-2222-222222222222', '7786528784');
		INSERT INTO conversations (organization_id, lead_id, content, sent_by, type, external_id)
			SELECT gen_random_uuid(), '22222222-2222-2222-2222-222222222222', 'hi', 'user', 'sms', name
			FROM unnest(ARRAY['call-7786528784', 'call-7786528784', 'other', NULL, NULL]) name`)
	db := open(t, url)
	err := db.Migrate(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1 duplicate messages") || strings.Contains(err.Error(), "778") {
		t.Fatalf("Migrate: %v, want the number of duplicates and no phone number", err)
	}
	_, list, _ := strings.Cut(err.Error(), "listed by: ")
	if n := query[int](t, url, `SELECT count(*) FROM (`+list+`) d`); n != 1 {
		t.Errorf("the statement lists %d groups, want 1", n)
	}
	exec(t, url, `UPDATE conversations SET external_id = NULL`)
	if err := db.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate after the duplicates are gone: %v", err)
	}
}
