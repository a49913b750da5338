-- Two rows for one account would be two lanes to it: two flights at once, and a single-use refresh token that is used twice.
CREATE UNIQUE INDEX connectors_account ON connectors (org_id, platform, base_url, remote_id) WHERE remote_id <> '';
