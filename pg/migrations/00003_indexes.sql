-- +goose Up
CREATE INDEX IF NOT EXISTS leadcache_organizations_phone ON organizations (phone_number);

-- The expression is that of the query, see organization.go.
CREATE INDEX IF NOT EXISTS leadcache_organizations_normalized_phone ON organizations (
	(CASE length(regexp_replace(phone_number, '[^0-9]', '', 'g'))
		WHEN 10 THEN '1' || regexp_replace(phone_number, '[^0-9]', '', 'g')
		ELSE regexp_replace(phone_number, '[^0-9]', '', 'g') END));

CREATE INDEX IF NOT EXISTS leadcache_conversations_lead ON conversations (lead_id, "timestamp" DESC);

-- A message that the carrier delivers twice is stored once.
-- +goose StatementBegin
DO $$
DECLARE
	surplus bigint;
BEGIN
	SELECT coalesce(sum(n - 1), 0) INTO surplus FROM (
		SELECT count(*) AS n FROM conversations WHERE external_id IS NOT NULL GROUP BY lead_id, external_id
	) groups;
	IF surplus > 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'LC001', MESSAGE = format('%s duplicate messages stand in the way of one '
			'message per external_id of a lead; clear or change theirs, then migrate again; they are listed by: '
			'SELECT lead_id, external_id, array_agg(id) FROM conversations WHERE external_id IS NOT NULL '
			'GROUP BY lead_id, external_id HAVING count(*) > 1', surplus);
	END IF;
END $$;
-- +goose StatementEnd
CREATE UNIQUE INDEX IF NOT EXISTS leadcache_conversations_external_id ON conversations (lead_id, external_id)
	WHERE external_id IS NOT NULL;

CREATE INDEX IF NOT EXISTS leadcache_summaries_lead ON conversation_summaries (lead_id, created_at DESC);

CREATE INDEX IF NOT EXISTS leadcache_call_sessions_lead ON call_sessions (lead_id, started_at DESC);
