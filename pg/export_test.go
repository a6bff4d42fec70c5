package pg

// For the test that asks how the server would answer them.
const (
	SelectLead                = selectLead
	SelectLeadByPhone         = selectLeadByPhone
	SelectOrganization        = selectOrganization
	SelectOrganizationByPhone = selectOrganizationByPhone
)

var (
	SelectOrganizationByNormalizedPhone = selectOrganizationByNormalizedPhone
	SelectConversations                 = selectConversations
	SelectSummaries                     = selectSummaries
	SelectCallSession                   = selectCallSession
)

// Describe is what an error's text says of its cause.
var Describe = describe

// IdleConns returns how many connections of db nobody uses.
func IdleConns(db *DB) int { return int(db.pool.Stat().IdleConns()) }
