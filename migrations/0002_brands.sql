-- Brands, their voices, briefs and campaigns.

CREATE TABLE brands (
    id                   uuid PRIMARY KEY,
    org_id               uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    name                 text NOT NULL CHECK (name <> ''),
    guidelines           text NOT NULL DEFAULT '',
    banned_phrases       text[] NOT NULL DEFAULT '{}',
    required_disclosures text[] NOT NULL DEFAULT '{}',
    colors               text[] NOT NULL DEFAULT '{}',
    links                jsonb NOT NULL DEFAULT '{}',
    -- The voice that prompts and scores use; set in one go when a training has finished.
    active_voice_id      uuid,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id)
);
CREATE INDEX brands_page ON brands (org_id, id);
CALL put_under_tenancy('brands');

CREATE TABLE voices (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL,
    brand_id      uuid NOT NULL,
    version       integer NOT NULL CHECK (version > 0),
    examples      integer NOT NULL CHECK (examples >= 0),
    -- NULL until the training has finished; then the measured profile (domain::voice).
    profile       jsonb,
    embed_model   text,
    -- Mean of the examples' embeddings; the dimension is the model's, so the column states none.
    centroid      vector,
    trained_at    timestamptz,
    -- Why a training ended without a voice.
    failure       text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    UNIQUE (brand_id, version),
    FOREIGN KEY (org_id, brand_id) REFERENCES brands (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('voices');
ALTER TABLE brands ADD FOREIGN KEY (org_id, active_voice_id) REFERENCES voices (org_id, id);

CREATE TABLE voice_examples (
    id        uuid PRIMARY KEY,
    org_id    uuid NOT NULL,
    voice_id  uuid NOT NULL,
    position  integer NOT NULL,
    text      text NOT NULL,
    platform  text,
    url       text,
    embedding vector,
    UNIQUE (voice_id, position),
    FOREIGN KEY (org_id, voice_id) REFERENCES voices (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('voice_examples');

CREATE TABLE briefs (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    brand_id   uuid NOT NULL,
    -- domain::brief::Brief as it was written.
    brief      jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, brand_id) REFERENCES brands (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('briefs');

CREATE TABLE campaigns (
    id                uuid PRIMARY KEY,
    org_id            uuid NOT NULL,
    brand_id          uuid NOT NULL,
    brief_id          uuid NOT NULL,
    name              text NOT NULL,
    variants_per_post integer NOT NULL CHECK (variants_per_post BETWEEN 1 AND 5),
    approval          text NOT NULL CHECK (approval IN ('required', 'auto')),
    -- domain::schedule::ScheduleSpec as it was asked for.
    schedule          jsonb NOT NULL,
    run_id            uuid NOT NULL,
    generated_at      timestamptz,
    cancelled_at      timestamptz,
    -- Why generation ended without posts.
    failure           text,
    -- When the last of its posts ended.
    finished_at       timestamptz,
    -- Until when a person has to decide, where approval is required.
    decide_by         timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, brand_id) REFERENCES brands (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, brief_id) REFERENCES briefs (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('campaigns');
