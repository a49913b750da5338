-- Published posts, the latest first: tags are ranked by what they did, for every post that is written. Without it, each of them would read all posts
-- that were ever made.
CREATE INDEX posts_published ON posts (org_id, platform, published_at DESC, id) WHERE published_at IS NOT NULL;
