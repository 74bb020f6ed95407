-- The ledger of each school (一校一策) and the visits of its senior officer; replicated tables as
-- those of 0002.

-- One problem at one school: found, given to a department, mended, looked at by a second person,
-- closed. common_id: the issue of which this is one of several. No names of people in the title.
CREATE TABLE issue (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    school_id TEXT NOT NULL,
    code TEXT NOT NULL,
    source TEXT NOT NULL,
    category TEXT,
    place TEXT,
    title TEXT,
    reporter_id TEXT,
    found_at INTEGER,
    state TEXT NOT NULL,
    severity INTEGER,
    dept_id TEXT,
    due_on TEXT,
    fixed_by TEXT,
    common_id TEXT,
    _v INTEGER NOT NULL DEFAULT 0,
    _g TEXT
) STRICT;

CREATE TABLE issue_event (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    issue_id TEXT NOT NULL,
    at INTEGER,
    what TEXT NOT NULL,
    person_id TEXT,
    detail TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A senior officer with a team at a school (驻岗)
CREATE TABLE visit (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    school_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    date TEXT NOT NULL,
    start_at INTEGER,
    channel TEXT NOT NULL,
    end_at INTEGER,
    team INTEGER,
    _v INTEGER NOT NULL DEFAULT 0,
    _g TEXT
) STRICT;

CREATE INDEX issue_code ON issue(code);
CREATE INDEX issue_open ON issue(school_id) WHERE state NOT IN ('closed', 'merged');
CREATE INDEX issue_event_issue ON issue_event(issue_id);
CREATE INDEX visit_person ON visit(person_id, date);
