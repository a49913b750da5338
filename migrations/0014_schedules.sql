-- Recurring schedules, and what became of each of their times.

CREATE TABLE schedules (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    brand_id   uuid NOT NULL,
    -- domain::schedule::Recurring
    recurring  jsonb NOT NULL,
    -- The campaign that is made each time (activities::store::schedules::Template).
    template   jsonb NOT NULL,
    paused_at  timestamptz,
    -- Why, in the words of whoever paused it.
    pause_note text,
    -- How many times passed unused beyond those that are told one by one in occurrences.
    missed     bigint NOT NULL DEFAULT 0,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, brand_id) REFERENCES brands (org_id, id) ON DELETE CASCADE
);
CREATE INDEX schedules_page ON schedules (org_id, id);
CALL put_under_tenancy('schedules');

-- A time of a schedule that has come. Its id is made of the schedule, the wall time and the fold: whoever meets it again meets this row.
CREATE TABLE occurrences (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL,
    schedule_id uuid NOT NULL,
    -- What the clock on the wall showed, and 1 if it was the second time that it did.
    wall        text NOT NULL,
    fold        smallint NOT NULL,
    due_at      timestamptz NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('waiting', 'begun', 'skipped', 'missed', 'refused')),
    -- Why it was left out, for people.
    why         text,
    campaign_id uuid,
    -- The invocation that decided, so that a step that is repeated knows its own decision.
    decided_by  text NOT NULL,
    decided_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, schedule_id) REFERENCES schedules (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, campaign_id) REFERENCES campaigns (org_id, id) ON DELETE CASCADE,
    -- What was begun has its campaign.
    CHECK (outcome <> 'begun' OR campaign_id IS NOT NULL)
);
CREATE INDEX occurrences_of_schedule ON occurrences (schedule_id, due_at);
CREATE UNIQUE INDEX occurrences_of_campaign ON occurrences (campaign_id);
CALL put_under_tenancy('occurrences');
