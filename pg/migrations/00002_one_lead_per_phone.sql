-- The index that makes one lead of many calls to create it. It is a migration
-- of its own, so that the statement in its error works on the database as the
-- first one left it.

-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
	surplus   bigint;
	leads     regclass := format('%I.leads', current_schema())::regclass;
	immediate boolean; -- null: there is no such index
BEGIN
	SELECT bool_and(indimmediate) INTO immediate FROM pg_index
	WHERE indrelid = leads AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
		AND (
			SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute
			WHERE attrelid = leads AND attnum = ANY (indkey[0:indnkeyatts - 1])
		) = ARRAY['organization_id', 'phone_number_normalized'];
	IF immediate THEN
		RETURN; -- it has one, of whatever name
	ELSIF NOT immediate THEN
		-- Beside another index of these columns it would still be asked.
		RAISE EXCEPTION 'a unique constraint of leads on organization_id and phone_number_normalized is deferrable, '
			'which INSERT … ON CONFLICT cannot use; drop it, then migrate again' USING ERRCODE = 'LC001';
	END IF;

	SELECT coalesce(sum(n - 1), 0) INTO surplus FROM (
		SELECT count(*) AS n FROM leads
		WHERE organization_id IS NOT NULL AND phone_number_normalized IS NOT NULL
		GROUP BY organization_id, phone_number_normalized
	) groups;
	IF surplus > 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'LC001', MESSAGE = format('%s duplicate leads stand in the way of one lead per phone number; '
			'merge them, then migrate again; they are listed by: SELECT organization_id, phone_number_normalized, '
			'array_agg(id ORDER BY created_at, id) FROM leads WHERE phone_number_normalized IS NOT NULL '
			'GROUP BY organization_id, phone_number_normalized HAVING count(*) > 1', surplus);
	END IF;

	CREATE UNIQUE INDEX leadcache_leads_phone ON leads (organization_id, phone_number_normalized);
END $$;
-- +goose StatementEnd
