package leadsvc_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"leadcache/leadsvc"
)

func TestParsePhone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"+17786528784", "17786528784"},
		{"17786528784", "17786528784"},
		{"7786528784", "17786528784"},
		{"(778) 652-8784", "17786528784"},
		{"1-778-652-8784", "17786528784"},
		{"tel:+1.778.652.8784", "17786528784"},
		{"  778 652 8784\r\n", "17786528784"},
		{"+44 20 7946 0958", "442079460958"},
		{"+49 (0) 30 901820", "49030901820"},
		{"+86 138 0013 8000", "8613800138000"},
		{"0117 496 0123", "01174960123"},
		{"27786528784", "27786528784"}, // 11 digits without the country code 1
		{"+266696687", "266696687"},    // spells "anonymous"
		{"12345", "12345"},
		{"262966", "262966"},
		{"911", "911"},
		{"0", "0"},
		{"1-800-FLOWERS", "1800"},
		{"+1 778 652 8784 ext 12", "1778652878412"},
		{"123456789012345", "123456789012345"},
		{"٠١٢ 5", "5"}, // other digits than ASCII's are dropped
		{"７７８6", "6"},
		{strings.Repeat("x", 254) + "5", "5"},
		{"client:agent7", "7"},
		{"sip:+17786528784@example.com", "17786528784"},
		{"1 (778) 652-8784", "17786528784"},
		{"+1 778 652 8784 x5", "177865287845"}, // an extension is not told from the number
		{"778652878", "778652878"},             // nine digits: no country code is put before them
		{"00442079460958", "00442079460958"},   // nor taken for one
		{"+5511987654321", "5511987654321"},
		{"\u202a+1 778 652 8784\u202c", "17786528784"}, // copied from a contact list
	} {
		got, err := leadsvc.ParsePhone(test.in)
		if err != nil || got.String() != test.want {
			t.Errorf("ParsePhone(%q) = %s, %v, want %s", test.in, got, err, test.want)
		}
		if again, err := leadsvc.ParsePhone(got.String()); err != nil || again != got {
			t.Errorf("ParsePhone(%q) = %s, %v, want %s again", got, again, err, got)
		}
	}
	for _, in := range []string{
		"", " ", "anonymous", "restricted", "Unknown", "+", "٠١٢", "七七八", "1234567890123456",
		"+1 778 652 8784 ext 12345", strings.Repeat("7", 10_000), strings.Repeat("x", 10_000), "\x00", "\xff\xfe",
		"7786528784\x00", "778652\xff8785", strings.Repeat("z", 255) + "5",
	} {
		got, err := leadsvc.ParsePhone(in)
		if !errors.Is(err, leadsvc.ErrInvalidPhone) || got != (leadsvc.Phone{}) {
			t.Errorf("ParsePhone(%.20q) = %s, %v, want ErrInvalidPhone", in, got, err)
		}
		if err != nil && strings.ContainsAny(err.Error(), "0123456789") {
			t.Errorf("ParsePhone(%.20q): %v, want no part of the number", in, err)
		}
	}
}

func TestPhoneIsComparable(t *testing.T) {
	t.Parallel()
	byPhone := make(map[leadsvc.Phone]int)
	for _, s := range []string{"+17786528784", "778-652-8784", "(778) 652 8784", "17786528784"} {
		p, err := leadsvc.ParsePhone(s)
		if err != nil {
			t.Fatal(err)
		}
		byPhone[p]++
	}
	if len(byPhone) != 1 {
		t.Errorf("four spellings of one number are %d keys, want 1", len(byPhone))
	}
}

func TestParsePhoneDoesNotAllocate(t *testing.T) {
	for _, s := range []string{"+17786528784", "17786528784", "(778) 652-8784", "anonymous"} {
		var p leadsvc.Phone
		if n := testing.AllocsPerRun(100, func() { p, _ = leadsvc.ParsePhone(s) }); n != 0 {
			t.Errorf("ParsePhone(%q) = %s allocates %v times, want none", s, p, n)
		}
	}
}

func FuzzParsePhone(f *testing.F) {
	for _, s := range []string{"+17786528784", "7786528784", "anonymous", "1234567890123456", "٠5", "\xff9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want strings.Builder // the rule, said the slow way
		for _, r := range s {
			if strings.ContainsRune("0123456789", r) {
				want.WriteRune(r)
			}
		}
		rule, valid := want.String(), want.Len() > 0 && want.Len() <= 15 &&
			len(s) <= 255 && utf8.ValidString(s) && !strings.Contains(s, "\x00")
		if len(rule) == 10 {
			rule = "1" + rule
		}
		got, err := leadsvc.ParsePhone(s)
		if valid != (err == nil) || (valid && got.String() != rule) {
			t.Fatalf("ParsePhone(%q) = %s, %v, want %s, valid: %v", s, got, err, rule, valid)
		}
	})
}

// The database normalizes with SQL where it must; both ways are one rule.
func TestDatabaseNormalizesTheSameWay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	n := f.node(t, leadsvc.Config{})
	lead, err := n.FindOrCreateLead(t.Context(), phone, defaultOrg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"604-555-0000", "+44 20 7946 0958", "٠5", "１5", "911", "1 (604) 555 0001 x 234", "tel:6045550000\n"} {
		want, err := leadsvc.ParsePhone(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.UpdateLead(t.Context(), lead.ID, leadsvc.LeadChanges{PhoneNumber: leadsvc.Set(s)})
		if err != nil || got.PhoneNumberNormalized != want.String() {
			t.Errorf("the database normalizes %q to %s (%v), want %s", s, got.PhoneNumberNormalized, err, want)
		}
	}
}
