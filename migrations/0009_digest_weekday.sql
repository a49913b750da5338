-- The day on which a weekly digest comes; a daily one ignores it. Those that are subscribed already came on Mondays and go on so.
ALTER TABLE digest_subscriptions ADD COLUMN weekday text NOT NULL DEFAULT 'monday'
    CHECK (weekday IN ('monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'));
