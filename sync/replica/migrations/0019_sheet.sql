-- A week's roster that came as a spreadsheet, one row a place: staged as text, matched with the
-- station's own rows, and either all of it becomes the draft or none. Baselines are kept to tell
-- what a plan saves.

CREATE TABLE draft_sheet (
    line INTEGER PRIMARY KEY, -- of the file
    date TEXT,
    peak TEXT,
    school TEXT, -- code or name, as the sheet has it
    post TEXT,
    person TEXT, -- id or name; '': the place stays empty
    lead INTEGER,
    start_min INTEGER, -- NULL: as published, or as the post's last shift of that peak
    end_min INTEGER,
    need INTEGER,
    school_id TEXT,
    post_id TEXT,
    person_id TEXT,
    namesakes INTEGER, -- how many people the sheet may mean
    shift_id TEXT,
    start_at INTEGER,
    end_at INTEGER,
    problem TEXT
) STRICT;

CREATE TABLE baseline (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    week TEXT NOT NULL,
    officer_days INTEGER NOT NULL, -- officers of the station times days with duties
    post_min INTEGER NOT NULL      -- minutes of all officers on their posts
) STRICT;
