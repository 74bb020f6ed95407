-- What the whole protocol needs beside the marks themselves.

-- bt: milliseconds since the machine started when the change was made, so that its wall clock can
-- be put right later. q, set when it is sent: how true the stamp h is: 2 exact (the clock agreed
-- with the county's), 1 corrected by what the county said in the same boot, 0 estimated.
-- v: the version that the county gave.
ALTER TABLE sync_out ADD COLUMN bt INTEGER;
ALTER TABLE sync_out ADD COLUMN q INTEGER;
ALTER TABLE sync_out ADD COLUMN v INTEGER;
-- A mark takes in edits of several groups, and h is that of the last one. lg: the groups of that
-- edit (NULL: all of gm); hs: {"<groups>": [h, bt, boot]} of the edits before it (NULL: none).
ALTER TABLE sync_out ADD COLUMN lg INTEGER;
ALTER TABLE sync_out ADD COLUMN hs TEXT;
-- What the row was before the first edit of the mark: scope and columns as a JSON array. A county
-- that comes back from a backup is told so what the edit was made on. NULL once it is settled.
ALTER TABLE sync_out ADD COLUMN old TEXT;

-- boot_off_ms: county's clock minus milliseconds since the machine started, of the last reply in
-- this boot; cap_ms: the last time of the county that was known when the program started.
ALTER TABLE sync_boot ADD COLUMN boot_off_ms INTEGER;
ALTER TABLE sync_boot ADD COLUMN cap_ms INTEGER;
CREATE INDEX sync_boot_id ON sync_boot(boot_id);

-- Changes that lost to another one at the county. mine is what was pushed, sealed; the row itself
-- has the county's word once settled_at is set.
CREATE TABLE sync_conflict (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    pk TEXT NOT NULL,
    gm INTEGER NOT NULL,
    mine TEXT,
    settled_at INTEGER
) STRICT;
CREATE INDEX sync_conflict_open ON sync_conflict(tid, pk) WHERE settled_at IS NULL;

-- Rows that were deleted, here or by the county, in the order of their deletion: one that comes back
-- must say so.
CREATE TABLE sync_gone (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    tid INTEGER NOT NULL,
    pk TEXT NOT NULL,
    UNIQUE (tid, pk)
) STRICT;
