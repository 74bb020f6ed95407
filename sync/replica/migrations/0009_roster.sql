-- The roster that is being drawn up in this station. None of it leaves the station before it is
-- published; then its rows become shifts and assignments.

CREATE TABLE draft (
    id INTEGER PRIMARY KEY CHECK (id = 1), -- one at a time
    station_id TEXT NOT NULL,
    week TEXT NOT NULL,                    -- its Monday, 'YYYY-MM-DD'
    made_at INTEGER NOT NULL,
    calendar_known INTEGER NOT NULL, -- 0: the calendar does not know all of its days
    cost INTEGER NOT NULL
) STRICT;

CREATE TABLE draft_shift (
    id TEXT PRIMARY KEY NOT NULL, -- shift.id
    post_id TEXT NOT NULL,
    date TEXT NOT NULL,
    peak TEXT NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    need INTEGER NOT NULL,
    why TEXT -- why places are empty; NULL: none is
) STRICT, WITHOUT ROWID;

CREATE TABLE draft_duty (
    shift_id TEXT NOT NULL REFERENCES draft_shift(id) ON DELETE CASCADE,
    person_id TEXT NOT NULL,
    role INTEGER NOT NULL, -- 1 leads the post
    why TEXT NOT NULL,
    PRIMARY KEY (shift_id, person_id)
) STRICT, WITHOUT ROWID;
