package leadsvc

import "leadcache/tiered"

const organizationKeys = "bici:org:"

// otherKeys are the beginnings of all keys but those of leads. What follows
// them is up to callers, so the keys of leads must not begin with one.
var otherKeys = []string{organizationKeys, "bici:ctx:", "bici:conv:", "bici:sum:", "bici:sess:", "bici:greet:"}

// leadKey finds a lead. The identifier of the organization is part of it as it
// was given: the statements take no other spelling for the same.
type leadKey struct {
	phone Phone
	org   string
}

// leadKeyspace is injective: a phone number has no colon.
func leadKeyspace(prefix string) tiered.Keyspace[leadKey] {
	return tiered.Keyspace[leadKey]{
		Name: "lead",
		Key:  func(k leadKey) string { return prefix + k.phone.String() + ":" + k.org },
	}
}

func organizationKeyspace() tiered.Keyspace[string] {
	return tiered.Keyspace[string]{
		Name: "organization",
		Key:  func(number string) string { return organizationKeys + number },
	}
}
