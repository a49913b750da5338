-- created_at now stays what it was when a key was first seen, because ids are derived from the key and that instant: a repeat after a crash
-- or a 5xx must come to the same ids. So who works on the request, and since when, needs a column of its own; NULL: nobody does.
ALTER TABLE idempotency_keys ADD COLUMN leased_at timestamptz;
