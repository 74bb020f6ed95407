-- What the plan of a week needs to know besides posts and people; replicated tables as those of
-- 0002, then what only this station knows.

-- What a person may be needed for: the county's list. Certificates (cards of kind cert) count too.
CREATE TABLE skill (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    person_id TEXT NOT NULL,
    name TEXT NOT NULL,
    valid_to TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How long a person's way to a school is: minutes one way, in bands of five. Where people live stays
-- at the county.
CREATE TABLE reach (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    person_id TEXT NOT NULL,
    school_id TEXT NOT NULL,
    band INTEGER,
    _v INTEGER NOT NULL DEFAULT 0,
    _g TEXT
) STRICT;

-- How many people a post needs while the gates are quiet, busy or crowded (NULL: as while less is
-- going on), at one peak or all; the level to expect; one person with each of the skills.
CREATE TABLE demand (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    post_id TEXT NOT NULL,
    peak TEXT,
    need_flat INTEGER,
    need_peak INTEGER,
    need_heavy INTEGER,
    level TEXT,
    skills TEXT,
    _v INTEGER NOT NULL DEFAULT 0,
    _g TEXT
) STRICT;

-- Who has which skill, and until when: the county's list, and certificates.
CREATE VIEW skilled AS
SELECT person_id, name, coalesce(nullif(valid_to, ''), '9999') AS until FROM skill
UNION ALL
SELECT person_id, name, coalesce(nullif(due_on, ''), '9999') FROM card
WHERE kind = 'cert' AND state = 'on' AND person_id IS NOT NULL;

CREATE INDEX skill_person ON skill(person_id);
CREATE INDEX reach_person ON reach(person_id, school_id);
CREATE INDEX reach_school ON reach(school_id);
CREATE INDEX demand_post ON demand(post_id);

-- The most that was going on at a school's gates on a day and peak: 0 flat, 1 peak, 2 heavy.
CREATE TABLE flow_seen (
    school_id TEXT NOT NULL,
    date TEXT NOT NULL,
    peak TEXT NOT NULL,
    level INTEGER NOT NULL,
    PRIMARY KEY (school_id, date, peak)
) STRICT, WITHOUT ROWID;

-- By the cameras, and by an officer's word, which counts while it is given.
CREATE VIEW flow_word AS
SELECT school_id, at, date((at + 28800000) / 1000, 'unixepoch') AS date,
       CASE WHEN (at + 28800000) % 86400000 < 36000000 THEN 'am'
            WHEN (at + 28800000) % 86400000 < 50400000 THEN 'noon' ELSE 'pm' END AS peak,
       CASE word WHEN 'heavy' THEN 2 WHEN 'peak' THEN 1 ELSE 0 END AS level
FROM (SELECT school_id, level_at AS at, level AS word FROM school_flow
      UNION ALL SELECT school_id, manual_until - 7200000, manual FROM school_flow
      WHERE manual IS NOT NULL);

CREATE TRIGGER flow_seen_new AFTER INSERT ON school_flow
BEGIN
    INSERT INTO flow_seen(school_id, date, peak, level)
        SELECT school_id, date, peak, max(level) FROM flow_word WHERE school_id = NEW.school_id
        GROUP BY date, peak
        ON CONFLICT(school_id, date, peak) DO UPDATE SET level = max(level, excluded.level);
END;

CREATE TRIGGER flow_seen_changed AFTER UPDATE OF level, level_at, manual, manual_until ON school_flow
BEGIN
    INSERT INTO flow_seen(school_id, date, peak, level)
        SELECT school_id, date, peak, max(level) FROM flow_word WHERE school_id = NEW.school_id
        GROUP BY date, peak
        ON CONFLICT(school_id, date, peak) DO UPDATE SET level = max(level, excluded.level);
END;

-- Who stays where the leader has put him, whatever is planned.
CREATE TABLE roster_pin (
    post_id TEXT NOT NULL,
    date TEXT NOT NULL,
    peak TEXT NOT NULL,
    person_id TEXT NOT NULL,
    by_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (date, peak, person_id) -- one place at a time
) STRICT, WITHOUT ROWID;

-- The senior officers' visits: of the draft, and as they were published.
CREATE TABLE draft_visit (
    senior_id TEXT NOT NULL,
    date TEXT NOT NULL,
    peak TEXT NOT NULL,
    school_id TEXT NOT NULL, -- behind the key: quick_check of SQLite 3.40 takes it for NULL otherwise
    PRIMARY KEY (senior_id, date, peak)
) STRICT, WITHOUT ROWID;
CREATE TABLE visit_plan (
    senior_id TEXT NOT NULL,
    date TEXT NOT NULL,
    peak TEXT NOT NULL,
    school_id TEXT NOT NULL, -- as above
    PRIMARY KEY (senior_id, date, peak)
) STRICT, WITHOUT ROWID;
-- Whose visits have changed since he was told of them.
CREATE TABLE visit_touch (
    senior_id TEXT NOT NULL,
    week TEXT NOT NULL,
    PRIMARY KEY (senior_id, week)
) STRICT, WITHOUT ROWID;

ALTER TABLE draft ADD COLUMN visits_missing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE draft_shift ADD COLUMN level TEXT; -- NULL: nothing is known about it
ALTER TABLE baseline ADD COLUMN way_min INTEGER NOT NULL DEFAULT 0; -- of all officers, there and back

-- Volunteers who were asked whether they go on in the new term (a card of kind term).
CREATE TABLE term_asked (
    card_id TEXT NOT NULL,
    person_id TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    answer TEXT CHECK (answer IN ('1', '2')),
    answered_at INTEGER,
    PRIMARY KEY (card_id, person_id)
) STRICT, WITHOUT ROWID;
