-- A variant in the brief's first language, for reviewers who do not read the language of the post: {"language", "text", "lints"}.
ALTER TABLE variants ADD COLUMN translation jsonb;
