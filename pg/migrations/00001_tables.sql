-- Tables of the lead service, made where they are missing. In a database of
-- the old service they exist, with identifiers of type uuid and with columns
-- of their own: those stay as they are, and the new references take their type.

-- +goose Up
CREATE TABLE IF NOT EXISTS organizations (
	id           text PRIMARY KEY DEFAULT gen_random_uuid()::text,
	name         text NOT NULL DEFAULT '',
	phone_number text,
	settings     jsonb NOT NULL DEFAULT '{}',
	created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- +goose StatementBegin
DO $$
DECLARE
	organization_id text; -- the type of organizations.id
	lead_id         text; -- the type of leads.id
BEGIN
	SELECT format_type(atttypid, atttypmod) INTO STRICT organization_id FROM pg_attribute
	WHERE attrelid = format('%I.organizations', current_schema())::regclass AND attname = 'id';

	EXECUTE format($sql$
		CREATE TABLE IF NOT EXISTS leads (
			id                      text PRIMARY KEY DEFAULT gen_random_uuid()::text,
			organization_id         %s NOT NULL REFERENCES organizations (id),
			phone_number            text NOT NULL,
			phone_number_normalized text NOT NULL CHECK (phone_number_normalized ~ '^[0-9]{1,15}$'),
			customer_name           text,
			email                   text,
			status                  text NOT NULL DEFAULT 'new'
				CHECK (status IN ('new', 'contacted', 'qualified', 'hot', 'customer', 'closed')),
			sentiment               text NOT NULL DEFAULT 'neutral'
				CHECK (sentiment IN ('positive', 'neutral', 'negative')),
			bike_interest           jsonb DEFAULT '{}',
			qualification_data      jsonb DEFAULT '{}',
			created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
			updated_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
			last_contact_at         timestamptz
		)$sql$, organization_id);

	SELECT format_type(atttypid, atttypmod) INTO STRICT lead_id FROM pg_attribute
	WHERE attrelid = format('%I.leads', current_schema())::regclass AND attname = 'id';

	EXECUTE format($sql$
		CREATE TABLE IF NOT EXISTS conversations (
			id                      text PRIMARY KEY DEFAULT gen_random_uuid()::text,
			organization_id         %s NOT NULL REFERENCES organizations (id),
			lead_id                 %s NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
			phone_number_normalized text,
			content                 text NOT NULL,
			sent_by                 text NOT NULL CHECK (sent_by IN ('user', 'agent', 'human_agent', 'system')),
			type                    text NOT NULL CHECK (type IN ('voice', 'sms', 'email', 'system')),
			"timestamp"             timestamptz NOT NULL DEFAULT clock_timestamp(),
			metadata                jsonb DEFAULT '{}',
			external_id             text
		)$sql$, organization_id, lead_id);

	EXECUTE format($sql$
		CREATE TABLE IF NOT EXISTS conversation_summaries (
			id              text PRIMARY KEY DEFAULT gen_random_uuid()::text,
			organization_id %s NOT NULL REFERENCES organizations (id),
			lead_id         %s NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
			session_id      text,
			summary         text NOT NULL,
			key_points      jsonb DEFAULT '[]',
			created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
		)$sql$, organization_id, lead_id);

	EXECUTE format($sql$
		CREATE TABLE IF NOT EXISTS call_sessions (
			id              text PRIMARY KEY DEFAULT gen_random_uuid()::text,
			organization_id %s NOT NULL REFERENCES organizations (id),
			lead_id         %s NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
			session_id      text,
			call_sid        text,
			status          text,
			started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
			ended_at        timestamptz,
			metadata        jsonb DEFAULT '{}'
		)$sql$, organization_id, lead_id);
END $$;
-- +goose StatementEnd

ALTER TABLE organizations
	ADD COLUMN IF NOT EXISTS name         text,
	ADD COLUMN IF NOT EXISTS phone_number text,
	ADD COLUMN IF NOT EXISTS settings     jsonb DEFAULT '{}',
	ADD COLUMN IF NOT EXISTS created_at   timestamptz DEFAULT now(),
	ADD COLUMN IF NOT EXISTS updated_at   timestamptz DEFAULT now();

ALTER TABLE leads
	ADD COLUMN IF NOT EXISTS phone_number_normalized text,
	ADD COLUMN IF NOT EXISTS customer_name           text,
	ADD COLUMN IF NOT EXISTS email                   text,
	ADD COLUMN IF NOT EXISTS status                  text DEFAULT 'new',
	ADD COLUMN IF NOT EXISTS sentiment               text DEFAULT 'neutral',
	ADD COLUMN IF NOT EXISTS bike_interest           jsonb DEFAULT '{}',
	ADD COLUMN IF NOT EXISTS qualification_data      jsonb DEFAULT '{}',
	ADD COLUMN IF NOT EXISTS created_at              timestamptz DEFAULT now(),
	ADD COLUMN IF NOT EXISTS updated_at              timestamptz DEFAULT now(),
	ADD COLUMN IF NOT EXISTS last_contact_at         timestamptz;

ALTER TABLE conversations
	ADD COLUMN IF NOT EXISTS phone_number_normalized text,
	ADD COLUMN IF NOT EXISTS content                 text,
	ADD COLUMN IF NOT EXISTS sent_by                 text,
	ADD COLUMN IF NOT EXISTS type                    text,
	ADD COLUMN IF NOT EXISTS "timestamp"             timestamptz DEFAULT now(),
	ADD COLUMN IF NOT EXISTS metadata                jsonb DEFAULT '{}',
	ADD COLUMN IF NOT EXISTS external_id             text;

ALTER TABLE conversation_summaries
	ADD COLUMN IF NOT EXISTS session_id text,
	ADD COLUMN IF NOT EXISTS summary    text,
	ADD COLUMN IF NOT EXISTS key_points jsonb DEFAULT '[]',
	ADD COLUMN IF NOT EXISTS created_at timestamptz DEFAULT now();

ALTER TABLE call_sessions
	ADD COLUMN IF NOT EXISTS session_id text,
	ADD COLUMN IF NOT EXISTS call_sid   text,
	ADD COLUMN IF NOT EXISTS status     text,
	ADD COLUMN IF NOT EXISTS started_at timestamptz DEFAULT now(),
	ADD COLUMN IF NOT EXISTS ended_at   timestamptz,
	ADD COLUMN IF NOT EXISTS metadata   jsonb DEFAULT '{}';

-- +goose StatementBegin
DO $$
BEGIN
	-- Not valid: leads of organizations that are gone stay; new ones need theirs.
	IF NOT EXISTS (
		SELECT FROM pg_constraint WHERE contype = 'f'
			AND conrelid = format('%I.leads', current_schema())::regclass
			AND confrelid = format('%I.organizations', current_schema())::regclass
	) THEN
		ALTER TABLE leads ADD CONSTRAINT leadcache_leads_organization
			FOREIGN KEY (organization_id) REFERENCES organizations (id) NOT VALID;
	END IF;
END $$;
-- +goose StatementEnd

-- The rule is that of leadsvc.ParsePhone. A number without any digit stays null.
UPDATE leads SET phone_number_normalized = CASE length(regexp_replace(phone_number, '[^0-9]', '', 'g'))
		WHEN 10 THEN '1' || regexp_replace(phone_number, '[^0-9]', '', 'g')
		ELSE regexp_replace(phone_number, '[^0-9]', '', 'g') END
WHERE phone_number_normalized IS NULL AND phone_number ~ '[0-9]';
