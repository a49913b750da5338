-- What came of it: runs, short links, counters, digests, usage.

-- The run ids that the API hands out, and which invocation each stands for. No status: that is the engine's.
CREATE TABLE runs (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    workflow      text NOT NULL,
    -- The id of what the run is about (cmp_..., brd_..., post_...).
    subject       text NOT NULL,
    invocation_id text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX runs_page ON runs (org_id, id DESC);
CREATE INDEX runs_of_subject ON runs (org_id, subject);
CALL put_under_tenancy('runs');

CREATE TABLE links (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    post_id    uuid NOT NULL,
    code       text NOT NULL UNIQUE,
    target     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, post_id) REFERENCES posts (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('links');

-- Clicks by hour: a row an hour instead of a row a click keeps a popular link cheap.
CREATE TABLE link_clicks (
    link_id uuid NOT NULL,
    org_id  uuid NOT NULL,
    hour    timestamptz NOT NULL,
    clicks  bigint NOT NULL,
    PRIMARY KEY (link_id, hour),
    FOREIGN KEY (org_id, link_id) REFERENCES links (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('link_clicks');

-- The target of a short link, counted unless the visitor is a bot. Whoever follows a link belongs to no org.
CREATE FUNCTION follow_link(link_code text, counts boolean) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    link links%ROWTYPE;
BEGIN
    SELECT * INTO link FROM links WHERE code = link_code;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF counts THEN
        INSERT INTO link_clicks (link_id, org_id, hour, clicks) VALUES (link.id, link.org_id, date_trunc('hour', now()), 1)
        ON CONFLICT (link_id, hour) DO UPDATE SET clicks = link_clicks.clicks + 1;
    END IF;
    RETURN link.target;
END
$$;

-- Readings are absolute counters at an instant, not increments: a reading that arrives twice or late changes nothing.
CREATE TABLE metric_readings (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL,
    post_id         uuid NOT NULL,
    observed_at     timestamptz NOT NULL,
    -- The source's own name for this reading (poll:3, the delivery id of a webhook): the same name again is the same reading again.
    source_id       text NOT NULL,
    likes           bigint,
    comments        bigint,
    shares          bigint,
    saves           bigint,
    impressions     bigint,
    clicks          bigint,
    followers_delta bigint,
    UNIQUE (post_id, source_id),
    FOREIGN KEY (org_id, post_id) REFERENCES posts (org_id, id) ON DELETE CASCADE
);
CREATE INDEX metric_readings_series ON metric_readings (org_id, post_id, observed_at);
CALL put_under_tenancy('metric_readings');

-- Webhook deliveries that were taken in: the same signed delivery a second time is refused.
CREATE TABLE webhook_deliveries (
    org_id      uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    delivery    bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (org_id, delivery)
);
CALL put_under_tenancy('webhook_deliveries');

CREATE TABLE digest_subscriptions (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    brand_id   uuid NOT NULL,
    cadence    text NOT NULL CHECK (cadence IN ('daily', 'weekly')),
    -- Wall time `09:00` in the zone.
    at         text NOT NULL,
    timezone   text NOT NULL,
    email      text[] NOT NULL,
    enabled    boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, brand_id) REFERENCES brands (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('digest_subscriptions');

CREATE TABLE digests (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL,
    subscription_id uuid NOT NULL,
    brand_id        uuid NOT NULL,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    data            jsonb NOT NULL,
    summary         text NOT NULL,
    html            text NOT NULL,
    text            text NOT NULL,
    message_id      text NOT NULL,
    mailed_at       timestamptz,
    mail_note       text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    UNIQUE (subscription_id, period_end),
    FOREIGN KEY (org_id, subscription_id) REFERENCES digest_subscriptions (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, brand_id) REFERENCES brands (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('digests');

-- One row for each answer of a language model, under an id that comes from the journal: a repeated step does not count twice.
CREATE TABLE token_usage (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    purpose       text NOT NULL,
    model         text NOT NULL,
    input_tokens  bigint NOT NULL CHECK (input_tokens >= 0),
    output_tokens bigint NOT NULL CHECK (output_tokens >= 0),
    at            timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX token_usage_month ON token_usage (org_id, at);
CALL put_under_tenancy('token_usage');

-- The tables that only migrations write are not the application's to read or change; everything else was granted one by one.
REVOKE ALL ON PROCEDURE put_under_tenancy(regclass) FROM PUBLIC;
