-- The small records of a station (plans, checklists, gear, method cards, partners, activities,
-- certificates ...) and what happened to them; replicated tables as those of 0002. The kinds and
-- the fields of each are a table of the program (gateway/duty/cards.h); body is JSON of them.
CREATE TABLE card (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    kind TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    school_id TEXT,
    person_id TEXT,
    ref_id TEXT,
    body TEXT,
    state TEXT NOT NULL,
    due_on TEXT,
    at INTEGER,
    _v INTEGER NOT NULL DEFAULT 0,
    _g TEXT
) STRICT;

CREATE TABLE card_event (
    id TEXT PRIMARY KEY NOT NULL,
    scope TEXT NOT NULL,
    card_id TEXT NOT NULL,
    school_id TEXT,
    at INTEGER,
    what TEXT NOT NULL,
    person_id TEXT,
    detail TEXT,
    _v INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX card_kind ON card(kind, school_id);
CREATE INDEX card_code ON card(code);
CREATE INDEX card_event_card ON card_event(card_id, what);
