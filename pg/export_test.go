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
