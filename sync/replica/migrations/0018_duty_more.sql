-- What the duty flow of this station remembers besides 0005; local.

-- Numbers that are nobody's here but a card's (a partner's liaison, a neighbour's box); sealed.
-- They do not leave the station.
CREATE TABLE card_phone (
    card_id TEXT PRIMARY KEY NOT NULL,
    phone TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX card_phone_phone ON card_phone(phone);

-- The same as before with more kinds: the evening question, 【演练】, an activity's 签到, a plan,
-- the consent of a volunteer.
CREATE TABLE prompt_more (
    id INTEGER PRIMARY KEY,
    phone TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('duty', 'gap', 'subscribe', 'evening', 'drill', 'activity',
        'plan', 'enlist')),
    ref_id TEXT NOT NULL, -- assignment, gap, school, date, drill, card or entry
    code TEXT NOT NULL,
    asks INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    answer TEXT,
    answered_at INTEGER,
    UNIQUE (phone, kind, ref_id)
) STRICT;
INSERT INTO prompt_more SELECT * FROM prompt;
DROP TABLE prompt;
ALTER TABLE prompt_more RENAME TO prompt;
CREATE INDEX prompt_code ON prompt(code);
CREATE INDEX prompt_expires ON prompt(expires_at);
CREATE INDEX prompt_ref ON prompt(kind, ref_id);

-- Volunteers whom a school's coordinator has entered: approved by the station, then asked for
-- consent (C1). They stay here until the county's list has them.
CREATE TABLE enlist (
    id TEXT PRIMARY KEY NOT NULL,
    school_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('parent', 'teacher', 'yijing', 'grid')),
    name TEXT NOT NULL,
    phone TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('entered', 'approved', 'consented')),
    entered_by TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    approved_by TEXT,
    approved_at INTEGER,
    asked_at INTEGER,
    consented_at INTEGER,
    consent_text TEXT -- id of the message that said yes
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX enlist_phone ON enlist(phone, school_id);

-- Numbers that wanted no more texts and are forgotten: only a keyed hash is left, so that the
-- number does not come back with the next list.
CREATE TABLE stopped (
    hash TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER person_stopped_new AFTER INSERT ON person WHEN NEW.phone IS NOT NULL
BEGIN
    INSERT INTO optout(phone, at)
        SELECT NEW.phone, at FROM stopped WHERE hash = phone_hash(NEW.phone)
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER person_stopped_phone AFTER UPDATE OF phone ON person
WHEN NEW.phone IS NOT NULL AND NEW.phone IS NOT OLD.phone
BEGIN
    INSERT INTO optout(phone, at)
        SELECT NEW.phone, at FROM stopped WHERE hash = phone_hash(NEW.phone)
        ON CONFLICT DO NOTHING;
END;

-- When each kind of row was last removed for its age, and how many of them so far.
CREATE TABLE retention (
    name TEXT PRIMARY KEY NOT NULL,
    ran_at INTEGER NOT NULL,
    removed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- 【演练】: who was told in which week, and when something was heard from that phone.
CREATE TABLE drill_told (
    drill TEXT NOT NULL, -- the date
    person_id TEXT NOT NULL,
    phone TEXT NOT NULL,
    level INTEGER NOT NULL, -- 1 officer, 2 leader, 3 senior officer, 4 duty room
    told_at INTEGER NOT NULL,
    heard_at INTEGER,
    PRIMARY KEY (drill, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX drill_told_phone ON drill_told(phone);

-- The last sign of life of a neighbour station's box.
CREATE TABLE neighbour_heard (
    card_id TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
