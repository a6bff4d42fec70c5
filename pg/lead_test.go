package pg_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"leadcache/internal/servertest"
	"leadcache/pg"
	"leadcache/tiered"
)

// addLead makes a lead of the default organization.
func addLead(t testing.TB, db *pg.DB, digits string) pg.Lead {
	t.Helper()
	lead, created, err := db.CreateLead(t.Context(), defaultOrg, "+"+digits, digits)
	if err != nil || !created {
		t.Fatalf("CreateLead = %v, %v, want a new lead", created, err)
	}
	return lead
}

func TestCreateLead(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			lead := addLead(t, db, "17786528784")
			if lead.OrganizationID != defaultOrg || lead.PhoneNumber != "+17786528784" || lead.PhoneNumberNormalized != "17786528784" ||
				lead.Status != pg.StatusNew || lead.Sentiment != pg.SentimentNeutral || lead.CreatedAt.IsZero() {
				t.Errorf("CreateLead = %+v", lead)
			}
			roundTrip(t, lead)

			again, created, err := db.CreateLead(t.Context(), defaultOrg, "778-652-8784", "17786528784")
			if err != nil || created || again != lead {
				t.Errorf("second CreateLead = %+v, %v, %v, want the first one's lead", again, created, err)
			}
			if got, err := db.LeadByPhone(t.Context(), defaultOrg, "17786528784"); err != nil || got != lead {
				t.Errorf("LeadByPhone = %+v, %v, want %+v", got, err, lead)
			}
			if got, err := db.Lead(t.Context(), lead.ID); err != nil || got != lead {
				t.Errorf("Lead = %+v, %v, want %+v", got, err, lead)
			}

			for _, org := range []string{
				"b0c1b1c1-0000-0000-0000-000000000002", "B0C1B1C1-0000-0000-0000-000000000001", "nobody", "", "\x00", "\xff",
			} {
				_, _, err := db.CreateLead(t.Context(), org, "+16045550000", "16045550000")
				if !errors.Is(err, pg.ErrUnknownOrganization) || errors.Is(err, tiered.ErrNotFound) {
					t.Errorf("CreateLead for organization %q: %v, want ErrUnknownOrganization", org, err)
				}
				if _, err := db.LeadByPhone(t.Context(), org, "17786528784"); !errors.Is(err, tiered.ErrNotFound) {
					t.Errorf("LeadByPhone in organization %q: %v, want ErrNotFound", org, err)
				}
			}
			if n := query[int](t, url, `SELECT count(*) FROM leads`); n != 1 {
				t.Errorf("%d leads, want 1", n)
			}
		})
	}
}

// An identifier is part of cache keys, so each row has one: a uuid in another
// spelling names nothing.
func TestIdentifiersAreExact(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := setup(t)
			lead := addLead(t, db, "17786528784")
			m := pg.Message{LeadID: lead.ID, SentBy: pg.SenderUser, Type: pg.ChannelSMS}
			if _, err := db.AppendMessage(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{strings.ToUpper(lead.ID), "{" + lead.ID + "}", strings.ReplaceAll(lead.ID, "-", "")} {
				m.LeadID = id
				_, err := db.Lead(t.Context(), id)
				_, _, updateErr := db.UpdateLead(t.Context(), id, pg.LeadChanges{})
				_, appendErr := db.AppendMessage(t.Context(), m)
				for _, err := range []error{err, updateErr, appendErr} {
					if !errors.Is(err, tiered.ErrNotFound) {
						t.Errorf("with id %s: %v, want ErrNotFound", id, err)
					}
				}
				if got, err := db.Conversations(t.Context(), id, 5); err != nil || len(got) != 0 {
					t.Errorf("Conversations(%s) = %v, %v, want none", id, got, err)
				}
			}
		})
	}
}

// However many callers create the same leads at once, each lead is made once
// and everyone gets that one.
func TestCreateLeadRace(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			const callers, phones = 32, 40
			var (
				mu   sync.Mutex
				ids  = make(map[string]map[string]bool) // phone → ids that were returned
				made int
				work sync.WaitGroup
			)
			for range callers {
				work.Go(func() {
					for i := range phones {
						phone := fmt.Sprint(17780000000 + i)
						lead, created, err := db.CreateLead(t.Context(), defaultOrg, phone, phone)
						if err != nil {
							t.Errorf("CreateLead: %v", err)
							return
						}
						mu.Lock()
						if ids[phone] == nil {
							ids[phone] = make(map[string]bool)
						}
						ids[phone][lead.ID] = true
						if created {
							made++
						}
						mu.Unlock()
					}
				})
			}
			work.Wait()
			for phone, ids := range ids {
				if len(ids) != 1 {
					t.Errorf("%s: %d different leads were returned", phone, len(ids))
				}
			}
			if n := query[int](t, url, `SELECT count(*) FROM leads`); n != phones || made != phones {
				t.Errorf("%d rows, %d of them said to be created, want %d", n, made, phones)
			}
		})
	}
}

// The schedule in CreateLead, forced: another transaction has made the lead
// but commits only when this statement, snapshot taken, waits for it.
func TestCreateLeadSeesWhatWasCommittedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			other := connect(t, url)
			tx, err := other.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(t.Context(), `INSERT INTO leads (organization_id, phone_number, phone_number_normalized)
			VALUES ($1, 'theirs', '17786528784')`, defaultOrg)
			if err != nil {
				t.Fatal(err)
			}

			var lead pg.Lead
			var created bool
			done := make(chan struct{})
			go func() {
				defer close(done)
				lead, created, err = db.CreateLead(t.Context(), defaultOrg, "ours", "17786528784")
			}()
			servertest.Eventually(t, 30*time.Second, func() bool { return waiting(t, url, other) == 1 },
				"CreateLead to wait for the other transaction")
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-done
			if err != nil || created || lead.PhoneNumber != "theirs" {
				t.Errorf("CreateLead = %+v, %v, %v, want the other transaction's lead", lead, created, err)
			}
		})
	}
}

// A trigger of another program may swallow what is inserted.
func TestCreateLeadGivesUp(t *testing.T) {
	t.Parallel()
	db, url := textIDs(t)
	exec(t, url, `
		CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
		CREATE TRIGGER swallow BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION swallow();`)
	if _, created, err := db.CreateLead(t.Context(), defaultOrg, "+1", "1"); err == nil || created {
		t.Errorf("CreateLead = %v, %v, want an error", created, err)
	}
}

func TestUpdateLead(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			exec(t, url, `INSERT INTO organizations (id, name) VALUES ('11111111-1111-1111-1111-111111111111', 'Other')`)
			const other = "11111111-1111-1111-1111-111111111111"
			want := addLead(t, db, "17786528784")
			ref := pg.LeadRef{OrganizationID: defaultOrg, PhoneNumberNormalized: "17786528784"}
			at := time.Date(2024, 5, 6, 7, 8, 9, 123_456_000, time.FixedZone("", 3600))

			// update applies changes and compares; edit says what they are to do.
			update := func(changes pg.LeadChanges, edit func(l *pg.Lead)) {
				t.Helper()
				before, got, err := db.UpdateLead(t.Context(), want.ID, changes)
				if err != nil {
					t.Fatalf("UpdateLead(%+v): %v", changes, err)
				}
				if before != ref {
					t.Errorf("before = %+v, want %+v", before, ref)
				}
				if !got.UpdatedAt.After(want.UpdatedAt) {
					t.Errorf("updated_at went from %v to %v", want.UpdatedAt, got.UpdatedAt)
				}
				edit(&want)
				want.UpdatedAt = got.UpdatedAt
				if got != want {
					t.Errorf("UpdateLead(%+v) =\n%+v, want\n%+v", changes, got, want)
				}
				if stored, err := db.Lead(t.Context(), want.ID); err != nil || stored != got {
					t.Errorf("stored %+v, %v, returned %+v", stored, err, got)
				}
				ref = pg.LeadRef{OrganizationID: got.OrganizationID, PhoneNumberNormalized: got.PhoneNumberNormalized}
			}

			update(pg.LeadChanges{}, func(*pg.Lead) {})
			update(pg.LeadChanges{CustomerName: pg.Set("Ann"), Email: pg.Set("")}, func(l *pg.Lead) {
				l.CustomerName = pgtype.Text{String: "Ann", Valid: true}
				l.Email = pgtype.Text{Valid: true}
			})
			update(pg.LeadChanges{CustomerName: pg.Null[string](), Status: pg.Set(pg.StatusHot)}, func(l *pg.Lead) {
				l.CustomerName = pgtype.Text{}
				l.Status = pg.StatusHot
			})
			update(pg.LeadChanges{
				Sentiment: pg.Set(pg.SentimentNegative), BikeInterest: pg.Set(pg.JSON(`{"type":"<road>"}`)),
				QualificationData: pg.Null[pg.JSON](), LastContactAt: pg.Set(at),
			}, func(l *pg.Lead) {
				l.Sentiment = pg.SentimentNegative
				l.BikeInterest = `{"type":"\u003croad\u003e"}`
				l.QualificationData = ""
				l.LastContactAt = pgtype.Timestamptz{Time: at.UTC(), Valid: true}
			})
			update(pg.LeadChanges{PhoneNumber: pg.Set("(604) 555-0000"), LastContactAt: pg.Null[time.Time]()}, func(l *pg.Lead) {
				l.PhoneNumber, l.PhoneNumberNormalized = "(604) 555-0000", "16045550000"
				l.LastContactAt = pgtype.Timestamptz{}
			})
			update(pg.LeadChanges{PhoneNumber: pg.Set("+44 20 7946 0958"), OrganizationID: pg.Set(other)}, func(l *pg.Lead) {
				l.PhoneNumber, l.PhoneNumberNormalized = "+44 20 7946 0958", "442079460958"
				l.OrganizationID = other
			})
			// The database's clock may stand still, or have been ahead.
			exec(t, url, `UPDATE leads SET updated_at = updated_at + interval '1 day'`)
			want.UpdatedAt = want.UpdatedAt.Add(24 * time.Hour)
			update(pg.LeadChanges{}, func(*pg.Lead) {})
		})
	}
}

func TestUpdateLeadRefuses(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, url := setup(t)
			exec(t, url, `ALTER TABLE leads ALTER email SET NOT NULL, ALTER email SET DEFAULT ''`)
			lead := addLead(t, db, "17786528784")
			addLead(t, db, "16045550000")
			const missing = "22222222-2222-2222-2222-222222222222"
			for name, test := range map[string]struct {
				id      string
				changes pg.LeadChanges
				want    error
			}{
				"no such lead":         {missing, pg.LeadChanges{}, tiered.ErrNotFound},
				"no uuid":              {"nobody", pg.LeadChanges{}, tiered.ErrNotFound},
				"no text":              {"\x00", pg.LeadChanges{}, tiered.ErrNotFound},
				"no such organization": {lead.ID, pg.LeadChanges{OrganizationID: pg.Set(missing)}, pg.ErrUnknownOrganization},
				"no organization's id": {lead.ID, pg.LeadChanges{OrganizationID: pg.Set("nobody")}, pg.ErrUnknownOrganization},
				"null organization":    {lead.ID, pg.LeadChanges{OrganizationID: pg.Null[string]()}, pg.ErrInvalid},
				"null phone":           {lead.ID, pg.LeadChanges{PhoneNumber: pg.Null[string]()}, pg.ErrInvalid},
				"null status":          {lead.ID, pg.LeadChanges{Status: pg.Null[pg.Status]()}, pg.ErrInvalid},
				"null sentiment":       {lead.ID, pg.LeadChanges{Sentiment: pg.Null[pg.Sentiment]()}, pg.ErrInvalid},
				"phone of another":     {lead.ID, pg.LeadChanges{PhoneNumber: pg.Set("+1 604 555 0000")}, pg.ErrConflict},
				"status":               {lead.ID, pg.LeadChanges{Status: pg.Set(pg.Status("lukewarm"))}, pg.ErrInvalid},
				"sentiment":            {lead.ID, pg.LeadChanges{Sentiment: pg.Set(pg.Sentiment(""))}, pg.ErrInvalid},
				"malformed JSON":       {lead.ID, pg.LeadChanges{BikeInterest: pg.Set(pg.JSON("{"))}, pg.ErrInvalid},
				"JSON jsonb refuses":   {lead.ID, pg.LeadChanges{QualificationData: pg.Set(pg.JSON(`"\ud800"`))}, pg.ErrInvalid},
				"name that is no text": {lead.ID, pg.LeadChanges{CustomerName: pg.Set("a\x00b")}, pg.ErrInvalid},
				"year 10000":           {lead.ID, pg.LeadChanges{LastContactAt: pg.Set(time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3600)))}, pg.ErrInvalid},
				"null the table wants": {lead.ID, pg.LeadChanges{Email: pg.Null[string]()}, pg.ErrInvalid},
			} {
				_, _, err := db.UpdateLead(t.Context(), test.id, test.changes)
				if !errors.Is(err, test.want) {
					t.Errorf("%s: UpdateLead: %v, want %v", name, err, test.want)
				}
			}
			if got, err := db.Lead(t.Context(), lead.ID); err != nil || got != lead {
				t.Errorf("after refused updates: %+v, %v, want %+v", got, err, lead)
			}
		})
	}
}

// Each update returns what the one before it left, whatever the order in which
// concurrent updates come: no key is missed when they are invalidated.
func TestUpdateLeadRace(t *testing.T) {
	t.Parallel()
	for name, setup := range schemas {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := setup(t)
			const writers, updates = 8, 25
			type step struct {
				before string
				after  pg.Lead
			}
			lead := addLead(t, db, "17786528784")
			var (
				mu    sync.Mutex
				steps []step
				work  sync.WaitGroup
			)
			for w := range writers {
				work.Go(func() {
					for i := range updates {
						phone := fmt.Sprint(17780000000 + w*updates + i)
						before, after, err := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{PhoneNumber: pg.Set(phone)})
						if err != nil {
							t.Errorf("UpdateLead: %v", err)
							return
						}
						mu.Lock()
						steps = append(steps, step{before.PhoneNumberNormalized, after})
						mu.Unlock()
					}
				})
			}
			work.Wait()
			slices.SortFunc(steps, func(a, b step) int { return a.after.UpdatedAt.Compare(b.after.UpdatedAt) })
			last := lead
			for _, s := range steps {
				if s.before != last.PhoneNumberNormalized {
					t.Fatalf("an update found %s, but the one before it left %s", s.before, last.PhoneNumberNormalized)
				}
				if cmp.Compare(s.after.UpdatedAt.UnixMicro(), last.UpdatedAt.UnixMicro()) <= 0 {
					t.Fatalf("two updates at %v", last.UpdatedAt)
				}
				last = s.after
			}
		})
	}
}

// What is wrong with one argument is not said of another, whatever the
// identifiers look like: "lead-1" is as good as a uuid.
func TestTheRightArgumentIsBlamed(t *testing.T) {
	t.Parallel()
	db, url := textIDs(t)
	exec(t, url, `INSERT INTO organizations (id, name) VALUES ('acme', 'Acme'), ('other', 'Other');
		INSERT INTO leads (id, organization_id, phone_number, phone_number_normalized) VALUES ('lead-1', 'acme', '1', '1')`)
	for _, bad := range []string{"a\x00b", "a\xffb"} {
		before := db.Queries()
		if _, _, err := db.CreateLead(t.Context(), "acme", "778"+bad, "778"); !errors.Is(err, pg.ErrInvalid) {
			t.Errorf("CreateLead with phone number %q: %v, want ErrInvalid", bad, err)
		}
		changes := pg.LeadChanges{CustomerName: pg.Set(bad), OrganizationID: pg.Set("other")}
		if _, _, err := db.UpdateLead(t.Context(), "lead-1", changes); !errors.Is(err, pg.ErrInvalid) {
			t.Errorf("UpdateLead with name %q: %v, want ErrInvalid", bad, err)
		}
		m := pg.Message{LeadID: "lead-1", Content: bad, SentBy: pg.SenderUser, Type: pg.ChannelSMS}
		if _, err := db.AppendMessage(t.Context(), m); !errors.Is(err, pg.ErrInvalid) {
			t.Errorf("AppendMessage with content %q: %v, want ErrInvalid", bad, err)
		}
		if sent := db.Queries() - before; sent != 4 { // who is to blame: organization, lead and organization, lead
			t.Errorf("%d statements for %q, want the four that ask for the other arguments", sent, bad)
		}
	}
	_, _, err := db.UpdateLead(t.Context(), "lead-1", pg.LeadChanges{QualificationData: pg.Set(pg.JSON(`"\ud800"`))})
	if !errors.Is(err, pg.ErrInvalid) {
		t.Errorf("UpdateLead with half a character in JSON: %v, want ErrInvalid", err)
	}
}

// An old lead may be of no organization.
func TestUpdateLeadOfNoOrganization(t *testing.T) {
	t.Parallel()
	url := servertest.Schema(t, servertest.DatabaseURL(t), oldTables)
	exec(t, url, `INSERT INTO leads (id, phone_number) VALUES ('22222222-2222-2222-2222-222222222222', '7786528784')`)
	db := migrated(t, url)
	const id = "22222222-2222-2222-2222-222222222222"
	if lead, err := db.Lead(t.Context(), id); err != nil || lead.OrganizationID != "" {
		t.Errorf("Lead = %+v, %v, want one of no organization", lead, err)
	}
	if ref, err := db.LeadRef(t.Context(), id); err != nil || ref != (pg.LeadRef{PhoneNumberNormalized: "17786528784"}) {
		t.Errorf("LeadRef = %+v, %v, want no organization", ref, err)
	}
	if _, err := db.LeadRef(t.Context(), "nobody"); !errors.Is(err, tiered.ErrNotFound) {
		t.Errorf("LeadRef of nobody: %v, want ErrNotFound", err)
	}
	before, after, err := db.UpdateLead(t.Context(), id, pg.LeadChanges{OrganizationID: pg.Set(defaultOrg)})
	if err != nil || before != (pg.LeadRef{PhoneNumberNormalized: "17786528784"}) || after.OrganizationID != defaultOrg {
		t.Errorf("UpdateLead = %+v, %+v, %v, want it to move from none to the default", before, after, err)
	}
}

// Where transactions are REPEATABLE READ by default, a lost race is an error of
// the database and still none of ours.
func TestLostRacesAreRunAgain(t *testing.T) {
	t.Parallel()
	_, url := textIDs(t)
	db := open(t, with(t, url, "default_transaction_isolation", "repeatable read"))
	other := connect(t, url)

	// whileLocked calls do when other has run sql and has not committed, and
	// commits as soon as do waits for it.
	whileLocked := func(sql string, do func() error) {
		t.Helper()
		tx, err := other.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- do() }()
		servertest.Eventually(t, 30*time.Second, func() bool { return waiting(t, url, other) == 1 }, "the statement to wait")
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("after %s: %v", sql, err)
		}
	}
	var lead pg.Lead
	whileLocked(`INSERT INTO leads (organization_id, phone_number, phone_number_normalized)
		VALUES ('b0c1b1c1-0000-0000-0000-000000000001', 'theirs', '17786528784')`, func() (err error) {
		lead, _, err = db.CreateLead(t.Context(), defaultOrg, "ours", "17786528784")
		return err
	})
	if lead.PhoneNumber != "theirs" {
		t.Errorf("CreateLead = %+v, want the other transaction's lead", lead)
	}
	whileLocked(`UPDATE leads SET customer_name = 'theirs'`, func() error {
		_, _, err := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{Email: pg.Set("ours")})
		return err
	})
	whileLocked(`INSERT INTO conversations (organization_id, lead_id, content, sent_by, type, external_id)
		SELECT organization_id, id, 'theirs', 'user', 'sms', 'SM1' FROM leads`, func() error {
		m := pg.Message{LeadID: lead.ID, Content: "ours", SentBy: pg.SenderUser, Type: pg.ChannelSMS, ExternalID: "SM1"}
		_, err := db.AppendMessage(t.Context(), m)
		return err
	})
}

// A column without a zone is in UTC, wherever the database and the caller are.
func TestTimesAreStoredInUTC(t *testing.T) {
	t.Parallel()
	db, url := uuidIDs(t)
	lead := addLead(t, db, "17786528784")
	at := time.Date(2024, 5, 6, 7, 0, 0, 0, time.FixedZone("", -7*3600))
	if _, _, err := db.UpdateLead(t.Context(), lead.ID, pg.LeadChanges{LastContactAt: pg.Set(at)}); err != nil {
		t.Fatal(err)
	}
	if got := query[string](t, url, `SELECT last_contact_at::text FROM leads`); got != "2024-05-06 14:00:00" {
		t.Errorf("last_contact_at is %s, want 2024-05-06 14:00:00", got)
	}
}
