-- Who said that somebody may stand in: the leader who sent 派, answered the evening question, or
-- looked at it afterwards. Local; who stood there is the assignment's.
ALTER TABLE offer ADD COLUMN approved_by TEXT; -- NULL: by the rules of stand-ins alone

CREATE TABLE approval (
    assignment_id TEXT PRIMARY KEY NOT NULL, -- of who stood in
    by_id TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
