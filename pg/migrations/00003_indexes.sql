-- +goose Up
CREATE INDEX IF NOT EXISTS leadcache_organizations_phone ON organizations (phone_number);

-- The expression is that of the query, see organization.go.
CREATE INDEX IF NOT EXISTS leadcache_organizations_normalized_phone ON organizations (
	(CASE length(regexp_replace(phone_number, '[^0-9]', '', 'g'))
		WHEN 10 THEN '1' || regexp_replace(phone_number, '[^0-9]', '', 'g')
		ELSE regexp_replace(phone_number, '[^0-9]', '', 'g') END));

CREATE INDEX IF NOT EXISTS leadcache_conversations_lead ON conversations (lead_id, "timestamp" DESC);

-- A message that the carrier delivers twice is stored once.
CREATE UNIQUE INDEX IF NOT EXISTS leadcache_conversations_external_id ON conversations (lead_id, external_id)
	WHERE external_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS leadcache_summaries_lead ON conversation_summaries (lead_id, created_at DESC);

CREATE INDEX IF NOT EXISTS leadcache_call_sessions_lead ON call_sessions (lead_id, started_at DESC);
