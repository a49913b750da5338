-- What people ask for while a campaign's run goes on (a decision, another time, a stop) comes to the engine as invocations of their own. They belong to
-- that run: its tree is read from them as from its beginning. Which ones is a fact; how they are is the engine's to say.
CREATE TABLE run_parts (
    run_id        uuid NOT NULL,
    invocation_id text NOT NULL,
    org_id        uuid NOT NULL REFERENCES orgs ON DELETE CASCADE,
    joined_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, invocation_id)
);
CALL put_under_tenancy('run_parts');
