-- The replicated tables. Each has one TEXT key, the scope that may see it and _v, the last server
-- version known here. No UNIQUE, REFERENCES, REAL or BLOB: the county merges rows of many stations
-- in any order. Times are UTC
-- milliseconds, dates local 'YYYY-MM-DD', minutes count from local midnight.

CREATE TABLE org (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent_id TEXT,
    name TEXT NOT NULL,
    short TEXT,
    area_code TEXT,
    public_phone TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE school (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    short TEXT,
    kind TEXT,
    township TEXT,
    station_id TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE bell (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    school_id TEXT NOT NULL,
    grade_from INTEGER,
    grade_to INTEGER,
    weekdays INTEGER,
    peak TEXT NOT NULL,
    at_min INTEGER,
    gate TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE cal_day (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    date TEXT NOT NULL,
    off INTEGER,
    name TEXT,
    follow_weekday INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE school_day (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    school_id TEXT NOT NULL,
    date TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_min INTEGER,
    reason TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE post (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    school_id TEXT NOT NULL,
    name TEXT NOT NULL,
    short TEXT,
    kind TEXT NOT NULL,
    need INTEGER,
    active INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE person (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    station_id TEXT,
    school_id TEXT,
    senior INTEGER,
    phone TEXT,
    lang TEXT,
    active INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE badge (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    device_id TEXT,
    number TEXT NOT NULL,
    person_id TEXT NOT NULL,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE device (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    school_id TEXT,
    post_id TEXT,
    product TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE avail (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    person_id TEXT NOT NULL,
    weekday INTEGER,
    peak TEXT,
    kind TEXT NOT NULL,
    valid_from TEXT,
    valid_to TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE duty_lead (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    org_id TEXT NOT NULL,
    date TEXT,
    from_min INTEGER,
    to_min INTEGER,
    person_id TEXT NOT NULL,
    level INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE sponsor (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    senior_id TEXT NOT NULL,
    school_id TEXT NOT NULL,
    min_visits_week INTEGER,
    valid_from TEXT,
    valid_to TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE shift (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    post_id TEXT NOT NULL,
    date TEXT NOT NULL,
    peak TEXT NOT NULL,
    start_at INTEGER,
    end_at INTEGER,
    need INTEGER,
    state TEXT NOT NULL,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE assignment (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    shift_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    role INTEGER,
    stands_in_for TEXT,
    state TEXT NOT NULL,
    asked_at INTEGER,
    answered_at INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE checkin (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    assignment_id TEXT,
    person_id TEXT,
    post_id TEXT,
    kind TEXT NOT NULL,
    at INTEGER,
    heard_at INTEGER,
    channel TEXT NOT NULL,
    late_min INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE alarm (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    school_id TEXT,
    post_id TEXT,
    person_id TEXT,
    device_id TEXT,
    code TEXT NOT NULL,
    raised_at INTEGER,
    state TEXT NOT NULL,
    level INTEGER,
    count INTEGER,
    acked_by TEXT,
    acked_at INTEGER,
    closed_at INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE alarm_event (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    alarm_id TEXT NOT NULL,
    at INTEGER,
    what TEXT NOT NULL,
    level INTEGER,
    person_id TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

-- id is '<device>:<dedupe key>', so the primary key removes repeated events
CREATE TABLE device_event (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    device_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    code TEXT,
    subject TEXT,
    device_at INTEGER,
    heard_at INTEGER,
    fresh INTEGER,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
