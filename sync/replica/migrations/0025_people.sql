-- Why somebody cannot come, in the words of the text that said so, sealed. Local.
CREATE TABLE decline_reason (
    assignment_id TEXT PRIMARY KEY NOT NULL,
    reason TEXT NOT NULL, -- sealed
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX decline_reason_at ON decline_reason(at);

-- Texts in which a coordinator entered people: emptied before the others, because numbers that are
-- no longer kept must not stand in them. Local.
CREATE TABLE enlist_text (
    text_id TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
