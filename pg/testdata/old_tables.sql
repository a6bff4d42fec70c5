-- A database as the old service made it: uuids, enums, columns that the package
-- knows nothing of, time stamps without a zone, references that nobody checks.

CREATE TYPE lead_status AS ENUM ('new', 'contacted', 'qualified', 'hot', 'customer', 'closed');
CREATE TABLE organizations (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name varchar(200) NOT NULL,
	slug text,
	phone_number varchar(32),
	settings jsonb,
	created_at timestamp DEFAULT now(),
	updated_at timestamp DEFAULT now()
);
CREATE TABLE leads (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	organization_id uuid,
	phone_number varchar(32) NOT NULL,
	customer_name varchar(200),
	email text,
	status lead_status DEFAULT 'new',
	sentiment text,
	bike_interest json,
	assigned_to uuid,
	last_contact_at timestamp,
	created_at timestamp DEFAULT now(),
	updated_at timestamp DEFAULT now()
);
CREATE TABLE conversations (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	organization_id uuid NOT NULL,
	lead_id uuid NOT NULL REFERENCES leads (id),
	content text NOT NULL,
	sent_by varchar(20) NOT NULL,
	type varchar(20) NOT NULL,
	"timestamp" timestamp DEFAULT now(),
	elevenlabs_id text
);
