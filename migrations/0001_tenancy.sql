-- Tenancy: every table carries org_id, and row-level security shows a connection only the rows of the org it named.
--
-- The application connects as pressroom_app, which owns nothing and cannot bypass row-level security. It names its org with
-- set_config('app.org_id', ..., true) inside a transaction; forgetting it yields no rows, never another org's.

DO $$
BEGIN
    CREATE ROLE pressroom_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION
    -- Roles belong to the whole server: another database on it may have been migrated before, or at this very moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

GRANT USAGE ON SCHEMA public TO pressroom_app;

CREATE EXTENSION IF NOT EXISTS vector;

-- The org that the current transaction acts for; NULL (and so no rows) when none was named.
CREATE FUNCTION current_org() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.org_id', true), '')::uuid;

-- Puts a table under the tenancy rule. Migrations call it once for each table; a test checks that none was forgotten.
-- The tables' owner is exempt (no FORCE): it runs only migrations and the SECURITY DEFINER functions below, which answer before an org is known.
CREATE PROCEDURE put_under_tenancy(tbl regclass)
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY tenancy ON %s TO pressroom_app USING (org_id = current_org()) WITH CHECK (org_id = current_org())', tbl);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO pressroom_app', tbl);
END
$$;

CREATE TABLE orgs (
    org_id         uuid PRIMARY KEY,
    name           text NOT NULL CHECK (name <> ''),
    -- HMAC secret of the metrics webhook, sealed by the key ring.
    webhook_secret bytea,
    -- Tokens that the org may spend on language models in a calendar month (UTC); NULL: no limit.
    token_budget   bigint CHECK (token_budget >= 0),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CALL put_under_tenancy('orgs');

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    email         text NOT NULL,
    name          text NOT NULL,
    role          text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'reviewer', 'viewer')),
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX users_email ON users (lower(email));
CALL put_under_tenancy('users');

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name       text NOT NULL,
    role       text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'reviewer', 'viewer')),
    -- SHA-256 of the secret part: it has 256 random bits, so a slow hash would only cost time on every request.
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    UNIQUE (org_id, id)
);
CALL put_under_tenancy('api_keys');

-- A family of rotating refresh tokens: using one that is not the newest revokes the family.
CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    user_id    uuid NOT NULL,
    -- SHA-256 of the newest refresh token.
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    FOREIGN KEY (org_id, user_id) REFERENCES users (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('sessions');

-- Answers that were given under an Idempotency-Key. status is NULL while the first request is still being worked on.
CREATE TABLE idempotency_keys (
    org_id       uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    key          text NOT NULL,
    -- SHA-256 of method, path and body: the same key with another request is refused.
    request_hash bytea NOT NULL,
    status       smallint,
    location     text,
    body         bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CALL put_under_tenancy('idempotency_keys');

-- The few questions that must be asked before the org is known. Each answers exactly one row by an unguessable or unique key.
CREATE FUNCTION find_api_key(key_id uuid) RETURNS TABLE (org_id uuid, role text, hash bytea, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
    BEGIN ATOMIC
        SELECT k.org_id, k.role, k.hash, k.name FROM api_keys k WHERE k.id = key_id AND k.revoked_at IS NULL;
    END;

CREATE FUNCTION find_user(address text) RETURNS TABLE (id uuid, org_id uuid, role text, password_hash text, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
    BEGIN ATOMIC
        SELECT u.id, u.org_id, u.role, u.password_hash, u.name FROM users u WHERE lower(u.email) = lower(address);
    END;

CREATE FUNCTION find_session(session_id uuid)
    RETURNS TABLE (org_id uuid, user_id uuid, role text, hash bytea, expires_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
    BEGIN ATOMIC
        SELECT s.org_id, s.user_id, u.role, s.hash, s.expires_at, s.revoked_at
        FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = session_id;
    END;

CREATE FUNCTION find_org(org uuid) RETURNS TABLE (org_id uuid, webhook_secret bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public
    BEGIN ATOMIC
        SELECT o.org_id, o.webhook_secret FROM orgs o WHERE o.org_id = org;
    END;
