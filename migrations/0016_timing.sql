-- Why a post has the time that it has, where it was chosen for it (mode best_time), and what kept it from going out at that time.
ALTER TABLE posts ADD COLUMN schedule_reason text;
ALTER TABLE posts ADD COLUMN held_by text CHECK (held_by IN ('down', 'queue', 'rate_window', 'reconnect', 'platform', 'media'));
