-- The application may not make temporary tables or functions: PostgreSQL looks for a table among the caller's temporary ones first, also in a
-- function that runs as its owner, so that a temporary table with a trigger would run the caller's code as the owner. Each half below closes
-- that way by itself.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

ALTER FUNCTION find_api_key(uuid) SET search_path = public, pg_temp;
ALTER FUNCTION find_user(text) SET search_path = public, pg_temp;
ALTER FUNCTION find_session(uuid) SET search_path = public, pg_temp;
ALTER FUNCTION find_org(uuid) SET search_path = public, pg_temp;
ALTER FUNCTION follow_link(text, boolean) SET search_path = public, pg_temp;
