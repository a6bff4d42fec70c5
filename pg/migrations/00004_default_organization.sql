-- The organization of callers whose number belongs to no other.

-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
	IF EXISTS (SELECT FROM organizations WHERE id = 'b0c1b1c1-0000-0000-0000-000000000001') THEN
		RETURN;
	END IF;
	INSERT INTO organizations (id, name) VALUES ('b0c1b1c1-0000-0000-0000-000000000001', 'Default');
EXCEPTION WHEN integrity_constraint_violation THEN
	-- A table of the old service may want columns that only its owner can fill.
	RAISE WARNING 'the default organization could not be made (%): make it by hand, or name another', SQLSTATE
			USING ERRCODE = 'LC001';
END $$;
-- +goose StatementEnd
