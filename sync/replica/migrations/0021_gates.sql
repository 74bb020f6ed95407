-- What a person says of the people at a school's gates, for as long as that counts, and the issue of
-- the ledger that a broken device became.
ALTER TABLE school_flow ADD COLUMN manual TEXT CHECK(manual IN ('flat', 'peak', 'heavy'));
ALTER TABLE school_flow ADD COLUMN manual_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_repair ADD COLUMN issue_id TEXT;
ALTER TABLE device_repair ADD COLUMN told_at INTEGER NOT NULL DEFAULT 0; -- the desk knows; 0: not yet
