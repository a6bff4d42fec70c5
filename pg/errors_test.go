package pg_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

func TestOpenNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, o := range []pg.Options{
		{},
		{URL: "postgres://u:s3cret@h:notaport/d"},
		{URL: "postgres://u:s3c ret@h:5432/d?sslmode=bogus"},
		{URL: "mysql://u:s3cret@h/d"},
		{URL: "postgres://u:s3cret%zz@h/d"},
		{URL: "host=h password='s3cret"},
		{URL: "postgres://h/d?pool_max_conns=s3cret"},
		{URL: "postgres://h/d", MaxConns: -1},
		{URL: "postgres://h/d", Timeout: -1},
	} {
		db, err := pg.Open(t.Context(), o)
		if err == nil {
			db.Close()
			t.Errorf("Open(%+v) accepted it", o)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "Options.") || strings.Contains(text, "s3c") {
			t.Errorf("Open(%+v): %v, want the field's name and no secret", o, err)
		}
		if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
			t.Errorf("Open(%+v): the error gives the URL to whoever unwraps it", o)
		}
	}
}

func TestServerDown(t *testing.T) {
	t.Parallel()
	const url = "postgres://user:s3cret@127.0.0.1:1/db?sslmode=disable"
	db, err := pg.Open(t.Context(), pg.Options{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Open with the server down: %v", err)
	}
	defer db.Close()
	_, err = db.LeadByPhone(t.Context(), defaultOrg, "17786528784")
	_, _, createErr := db.CreateLead(t.Context(), defaultOrg, "+17786528784", "17786528784")
	for _, err := range []error{err, createErr, db.Ping(t.Context()), db.Migrate(t.Context())} {
		if !errors.Is(err, pg.ErrUnavailable) || errors.Is(err, tiered.ErrNotFound) {
			t.Errorf("with the server down: %v, want ErrUnavailable", err)
			continue
		}
		if text := err.Error(); !strings.Contains(text, "127.0.0.1") || strings.Contains(text, "s3cret") || strings.Contains(text, "778") {
			t.Errorf("%v: want the address, no password, no phone number", err)
		}
	}
}

// What the server says of the connection is not what it says of an argument.
func TestWrongSetting(t *testing.T) {
	t.Parallel()
	_, url := textIDs(t)
	db := open(t, with(t, url, "default_transaction_isolation", "bogus"))
	_, _, err := db.CreateLead(t.Context(), defaultOrg, "+17786528784", "17786528784")
	if err == nil || errors.Is(err, pg.ErrInvalid) || errors.Is(err, pg.ErrUnknownOrganization) {
		t.Errorf("CreateLead: %v, want an error that blames no argument", err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	db := open(t, servertest.Schema(t, servertest.DatabaseURL(t)))
	db.Close()
	db.Close()
	if _, err := db.Lead(t.Context(), "x"); !errors.Is(err, pg.ErrClosed) {
		t.Errorf("Lead after Close: %v, want ErrClosed", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, pg.ErrClosed) {
		t.Errorf("Ping after Close: %v, want ErrClosed", err)
	}
	if err := db.Migrate(t.Context()); !errors.Is(err, pg.ErrClosed) {
		t.Errorf("Migrate after Close: %v, want ErrClosed", err)
	}
}

// What the server says of an argument stays out of the text, and can still be
// had by whoever asks for it.
func TestErrorsHoldNoArguments(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			lead := addLead(t, db, "17786528784")
			addLead(t, db, "16045550000")
			canceled, cancel := context.WithCancel(t.Context())
			cancel()

			_, _, conflict := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{PhoneNumber: pg.Set("+16045550000")})
			_, _, invalid := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{QualificationData: pg.Set(pg.JSON(`"16045550000 \ud800"`))})
			_, _, unknown := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{OrganizationID: pg.Set("6045550000")})
			_, _, status := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{Status: pg.Set(pg.Status("6045550000"))})
			_, late := db.LeadByPhone(canceled, defaultOrg, "16045550000")
			exec(t, url, `
			CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no % here', NEW.phone_number; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION refuse();`)
			_, _, raised := db.CreateLead(t.Context(), defaultOrg, "+16045550001", "16045550001")
			exec(t, url, `ALTER TABLE leads RENAME TO moved`)
			_, gone := db.LeadByPhone(t.Context(), defaultOrg, "16045550000")

			for _, err := range []error{conflict, invalid, unknown, status, late, raised, gone} {
				if err == nil || strings.Contains(err.Error(), "604555") || !strings.HasPrefix(err.Error(), "pg: ") {
					t.Errorf("error %q, want the operation and no argument", err)
				}
			}
			if pgErr, ok := errors.AsType[*pgconn.PgError](conflict); !ok || !strings.Contains(pgErr.Detail, "16045550000") {
				t.Errorf("%v cannot be taken apart", conflict)
			}
			if !errors.Is(late, context.Canceled) {
				t.Errorf("with a canceled context: %v, want context.Canceled", late)
			}
			if !strings.Contains(gone.Error(), `relation "leads" does not exist`) {
				t.Errorf("without the table: %v, want the server's message", gone)
			}
		})
	}
}

// What pgx says when it encodes or scans a value may quote that value.
func TestDescribeWithholdsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	quotes := errors.New("cannot parse +16045550000")
	for _, err := range []error{
		quotes, fmt.Errorf("failed to encode args[0]: %w", quotes),
		pgx.ScanArgError{ColumnIndex: 3, Err: quotes},
		&pgconn.PgError{Code: "22P02", Message: quotes.Error()},
		&pgconn.PgError{Code: "2", Message: quotes.Error()}, &pgconn.PgError{Message: quotes.Error()},
	} {
		if text := pg.Describe(err); text == "" || strings.Contains(text, "604555") {
			t.Errorf("%T is described as %q, want no argument", err, text)
		}
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	db := migrated(t, servertest.Schema(t, servertest.DatabaseURL(t)))
	if n := db.Queries(); n != 0 {
		t.Errorf("after Migrate: %d queries, want 0", n)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	addLead(t, db, "17786528784")
	for range 3 {
		if _, err := db.LeadByPhone(t.Context(), defaultOrg, "17786528784"); err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Queries(); n != 4 {
		t.Errorf("Queries = %d, want 4", n)
	}
}
