-- An attempt that our own settings refused (an address in a private network, say): nothing of it left the house.
ALTER TABLE receipts DROP CONSTRAINT receipts_outcome_check;
ALTER TABLE receipts ADD CONSTRAINT receipts_outcome_check CHECK (outcome IN (
    'published', 'rejected', 'rate_limited', 'credentials_expired', 'not_sent', 'refused_by_settings', 'unknown', 'absent'
));
