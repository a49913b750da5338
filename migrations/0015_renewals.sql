-- What an account's token allows, as the platform granted it; and the renewal of a token that is under way. A renewal token may work once: where a
-- process ends between the platform's answer and the note of it, the next one can tell what happened.
ALTER TABLE connectors
    ADD COLUMN scopes             text[] NOT NULL DEFAULT '{}',
    ADD COLUMN refresh_started_at timestamptz,
    -- SHA-256 of the token that buys the next.
    ADD COLUMN refresh_token_hash bytea;
