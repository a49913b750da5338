-- Accounts, posts, what was written for them, and every attempt to send them.

CREATE TABLE connectors (
    id               uuid PRIMARY KEY,
    org_id           uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    platform         text NOT NULL,
    base_url         text NOT NULL,
    handle           text NOT NULL,
    -- The platform's own id of the account (Mastodon account id, DID).
    remote_id        text NOT NULL DEFAULT '',
    software         text,
    max_characters   integer,
    -- Sealed by the key ring, bound to this row.
    credentials      bytea,
    token_expires_at timestamptz,
    state            text NOT NULL DEFAULT 'connected' CHECK (state IN ('connected', 'needs_reconnect', 'disconnected')),
    -- What the platform said when the state last changed.
    state_reason     text,
    -- Rate budget as the platform last told it.
    budget           jsonb,
    checked_at       timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id)
);
CALL put_under_tenancy('connectors');

-- An OAuth authorisation that was begun and not yet finished.
CREATE TABLE oauth_states (
    -- SHA-256 of the state parameter.
    state_hash bytea PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    platform   text NOT NULL,
    base_url   text NOT NULL,
    -- Client id and secret, PKCE verifier: sealed.
    sealed     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CALL put_under_tenancy('oauth_states');

CREATE TABLE posts (
    id                  uuid PRIMARY KEY,
    org_id              uuid NOT NULL,
    campaign_id         uuid NOT NULL,
    connector_id        uuid NOT NULL,
    platform            text NOT NULL,
    language            text NOT NULL,
    status              text NOT NULL DEFAULT 'drafting' CHECK (status IN ('drafting', 'draft', 'needs_approval', 'approved', 'scheduled',
                            'publishing', 'published', 'needs_attention', 'failed', 'rejected', 'cancelled')),
    -- What a person should know about the status (why it failed, what is asked, that it went out late).
    note                text,
    approved_variant_id uuid,
    -- SHA-256 of exactly the text that was approved; an edit voids it.
    approved_hash       bytea,
    decided_by          text,
    decided_at          timestamptz,
    -- What was asked for (domain::schedule), the instant it comes to, and which revision of the plan is in force.
    schedule            jsonb,
    due_at              timestamptz,
    revision            integer NOT NULL DEFAULT 0,
    late_ms             bigint,
    external_id         text,
    url                 text,
    published_at        timestamptz,
    resolved_by         text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, connector_id) REFERENCES connectors (org_id, id)
);
CREATE INDEX posts_page ON posts (org_id, id);
CREATE INDEX posts_of_campaign ON posts (campaign_id, id);
CALL put_under_tenancy('posts');

CREATE TABLE variants (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL,
    post_id      uuid NOT NULL,
    position     integer NOT NULL,
    -- Exactly what will be sent.
    content      text NOT NULL,
    hashtags     text[] NOT NULL DEFAULT '{}',
    -- [{"url", "short_url"?}]
    links        jsonb NOT NULL DEFAULT '[]',
    image_prompt text,
    language     text NOT NULL,
    -- domain::score::Score, and the reasons that the voice gives.
    score        jsonb,
    reasons      jsonb NOT NULL DEFAULT '[]',
    -- [domain::policy::Lint]
    lints        jsonb NOT NULL DEFAULT '[]',
    model        text NOT NULL DEFAULT '',
    rewrites     integer NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    UNIQUE (post_id, position),
    FOREIGN KEY (org_id, post_id) REFERENCES posts (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('variants');
ALTER TABLE posts ADD FOREIGN KEY (org_id, approved_variant_id) REFERENCES variants (org_id, id);

-- One row for each attempt to send a post. sent_at is written before the first byte leaves: a row that has it and no outcome may have been
-- sent, and is looked up, never sent again blindly.
CREATE TABLE receipts (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL,
    post_id      uuid NOT NULL,
    connector_id uuid NOT NULL,
    attempt      integer NOT NULL,
    -- The frozen intent: exact bytes, keys, correlation. The same for every attempt of a post.
    frozen       jsonb NOT NULL,
    body_hash    text NOT NULL,
    parts        integer NOT NULL DEFAULT 1,
    armed_at     timestamptz NOT NULL DEFAULT now(),
    sent_at      timestamptz,
    answered_at  timestamptz,
    outcome      text CHECK (outcome IN ('published', 'rejected', 'rate_limited', 'credentials_expired', 'not_sent', 'unknown', 'absent')),
    external_id  text,
    url          text,
    -- What came back, for a person.
    what         text,
    -- answer, lookup, resend, person:<who>
    resolved_by  text,
    evidence     jsonb,
    UNIQUE (post_id, attempt),
    FOREIGN KEY (org_id, post_id) REFERENCES posts (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('receipts');

CREATE TABLE assets (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('image', 'video')),
    content_type text NOT NULL,
    bytes        bigint NOT NULL CHECK (bytes > 0),
    sha256       text NOT NULL,
    alt          text NOT NULL DEFAULT '',
    rights       jsonb NOT NULL,
    object_key   text NOT NULL,
    verified_at  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id)
);
CALL put_under_tenancy('assets');
