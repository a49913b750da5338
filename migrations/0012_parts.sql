-- A post goes out in parts: the post itself, the further parts of its thread, a comment under it.

-- What a post has beside its text: domain::post::PostOptions. A campaign's are the defaults of its posts.
ALTER TABLE campaigns ADD COLUMN options jsonb NOT NULL DEFAULT '{}';
ALTER TABLE posts ADD COLUMN options jsonb NOT NULL DEFAULT '{}';

-- One row for each part of a post that has several, or whose part has something to be given the platform ahead. Made when the first of them is
-- about to be sent; from then on the rows, and not the text, say what the parts are.
CREATE TABLE post_parts (
    org_id       uuid NOT NULL,
    post_id      uuid NOT NULL,
    -- From 0, in the order in which they go out.
    part         integer NOT NULL CHECK (part >= 0),
    kind         text NOT NULL CHECK (kind IN ('post', 'continuation', 'comment')),
    text         text NOT NULL,
    -- Whose words these are, where that is not the post's language.
    language     text,
    -- What the platform was given ahead (uploads, containers, drafts), sealed by the key ring and bound to this row.
    staged       bytea,
    -- When it was ready to be published.
    staged_at    timestamptz,
    external_id  text,
    url          text,
    -- The hash of the stored record, where the platform has one: a reply needs it.
    cid          text,
    published_at timestamptz,
    PRIMARY KEY (post_id, part),
    FOREIGN KEY (org_id, post_id) REFERENCES posts (org_id, id) ON DELETE CASCADE
);
CALL put_under_tenancy('post_parts');

ALTER TABLE receipts ADD COLUMN part integer NOT NULL DEFAULT 0 CHECK (part >= 0);
ALTER TABLE receipts ADD COLUMN kind text NOT NULL DEFAULT 'post' CHECK (kind IN ('post', 'continuation', 'comment'));
ALTER TABLE receipts ADD COLUMN cid text;
-- The approval under which the bytes were frozen. Another approval freezes anew.
ALTER TABLE receipts ADD COLUMN approved_hash bytea;
ALTER TABLE receipts DROP CONSTRAINT receipts_post_id_attempt_key;
ALTER TABLE receipts ADD UNIQUE (post_id, part, attempt);
