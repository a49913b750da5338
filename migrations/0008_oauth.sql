-- Who began an authorisation: whoever lost that right meanwhile does not connect an account any more. What was begun without a name ends here;
-- nothing lives longer than ten minutes in this table.
DELETE FROM oauth_states;
ALTER TABLE oauth_states ADD COLUMN begun_by uuid NOT NULL;
ALTER TABLE oauth_states ADD COLUMN begun_by_person boolean NOT NULL;

-- Whoever comes back from a platform says no org; the state parameter, which cannot be guessed, leads to it.
CREATE FUNCTION find_oauth_state(hash bytea) RETURNS TABLE (org_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
    BEGIN ATOMIC
        SELECT s.org_id FROM oauth_states s WHERE s.state_hash = hash;
    END;
