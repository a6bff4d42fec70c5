package pg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"leadcache/pg"
)

func TestValidateOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []pg.Options{
		{URL: "postgres://u:p@h:5432/d?sslmode=disable"},
		{URL: "host=h user=u password='p q' dbname=d", MaxConns: 3},
	} {
		if err := o.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v, want nil", o, err)
		}
	}
	for _, o := range []pg.Options{{}, {URL: "mysql://h"}, {URL: "postgres://h", MaxConns: -1}, {URL: "postgres://h", Timeout: -1}} {
		err := o.Validate()
		if _, openErr := pg.Open(t.Context(), o); err == nil || openErr == nil || err.Error() != openErr.Error() {
			t.Errorf("Validate(%+v) = %v, want what Open says, %v", o, err, openErr)
		}
	}
}

// Whatever is wrong with a URL, no error repeats a part of it.
func FuzzURL(f *testing.F) {
	for _, before := range []string{
		"", "postgres://u:", "postgresql://", "postgres://u:%zz", "postgres://h:", "postgres://h/d?sslmode=", "mysql://",
		"postgres://h/d?pool_max_conns=", "postgres://h/d?connect_timeout=", "host=h password='", "host=h port=", "\x00", "postgres://[",
		"host=h sslrootcert=/",
	} {
		f.Add(before, "@h:5432/d")
		f.Add(before, "")
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "s3cr3t"
		err := pg.Options{URL: before + secret + after}.Validate()
		if err == nil {
			return
		}
		if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok || strings.Contains(err.Error(), secret) {
			t.Errorf("the error %q repeats the URL", err)
		}
	})
}
