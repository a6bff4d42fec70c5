package inbound

import "testing"

func TestNumberOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                          "",
		"+1 604 555 0177":           "+1 604 555 0177",
		"604.555.0177 ext 5":        "604.555.0177 ext 5",
		"whatsapp:+16045550177":     "whatsapp:+16045550177",
		"tel:+1-604-555-0177;ext=5": "+1-604-555-0177",
		"sip:+16045550177@10.0.0.7:5060;user=phone": "+16045550177",
		" SIPS:%2B16045550177@pbx.example.com":      "+16045550177",
		"sip:6045550177;phone-context=+1@10.0.0.7":  "6045550177",
		"sip:6045550177:1234@10.0.0.7?Subject=5":    "6045550177",
		"+16045550177@10.0.0.7":                     "+16045550177",
		"sip:anonymous@192.168.1.1":                 "",
		"sip:agent5@example.com":                    "",
		"anonymous@192.168.1.1":                     "",
		"sip:192.168.1.1":                           "",
		"sip:@192.168.1.1":                          "",
		"sip:%zz@192.168.1.1":                       "",
		"sip:":                                      "",
	} {
		if got := numberOf(address); got != want {
			t.Errorf("numberOf(%q) = %q, want %q", address, got, want)
		}
	}
}
