-- What a look into a file found, and the forms in which files go to platforms.

ALTER TABLE assets ADD COLUMN width integer CHECK (width > 0);
ALTER TABLE assets ADD COLUMN height integer CHECK (height > 0);
-- Of a video, in milliseconds.
ALTER TABLE assets ADD COLUMN duration_ms bigint CHECK (duration_ms >= 0);

CREATE TABLE renditions (
    org_id       uuid NOT NULL,
    asset_id     uuid NOT NULL,
    platform     text NOT NULL,
    -- Names the platform's rules under which it was made: other rules make another.
    rules        text NOT NULL,
    object_key   text NOT NULL,
    content_type text NOT NULL,
    bytes        bigint NOT NULL CHECK (bytes > 0),
    sha256       text NOT NULL,
    width        integer NOT NULL CHECK (width > 0),
    height       integer NOT NULL CHECK (height > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (asset_id, platform, rules),
    FOREIGN KEY (org_id, asset_id) REFERENCES assets (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('renditions');
