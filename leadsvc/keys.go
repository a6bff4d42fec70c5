package leadsvc

import (
	"strconv"

	"leadcache/tiered"
)

const (
	organizationKeys  = "bici:org:"
	contextKeys       = "bici:ctx:"
	conversationsKeys = "bici:conv:"
	summariesKeys     = "bici:sum:"
	sessionKeys       = "bici:sess:"
	greetingKeys      = "bici:greet:"
)

// otherKeys are the beginnings of all keys but those of leads. What follows
// them is up to callers, so the keys of leads must not begin with one.
var otherKeys = []string{
	organizationKeys, contextKeys, conversationsKeys, summariesKeys, sessionKeys, greetingKeys, "tiered:",
}

// leadKey finds a lead. The identifier of the organization is part of it as it
// was given: the statements take no other spelling for the same.
type leadKey struct {
	phone Phone
	org   string
}

// has reports whether l is what the key finds.
func (k leadKey) has(l *Lead) bool {
	return l.OrganizationID == k.org && k.phone.is(l.PhoneNumberNormalized)
}

// leadKeyspace is injective: a phone number has no colon.
func leadKeyspace(prefix string) tiered.Keyspace[leadKey] {
	return tiered.Keyspace[leadKey]{
		Name: "lead",
		Key:  func(k leadKey) string { return prefix + k.phone.String() + ":" + k.org },
	}
}

// keyspaceOf is for what is found by one text: an identifier, or the number of
// an organization.
func keyspaceOf(name, prefix string) tiered.Keyspace[string] {
	return tiered.Keyspace[string]{Name: name, Key: func(k string) string { return prefix + k }}
}

// conversationsKey finds the last messages of a lead.
type conversationsKey struct {
	leadID string
	limit  int
}

// conversationsKeyspace is injective: a number has no colon. Nobody knows which
// limits were asked for, so all keys of a lead bear its tag.
func conversationsKeyspace() tiered.Keyspace[conversationsKey] {
	return tiered.Keyspace[conversationsKey]{
		Name: "conversations",
		Key:  func(k conversationsKey) string { return conversationsKeys + k.leadID + ":" + strconv.Itoa(k.limit) },
		Tag:  func(k conversationsKey) string { return conversationsTag(k.leadID) },
	}
}

func conversationsTag(leadID string) string { return conversationsKeys + leadID }
