-- What the duty flow of this station remembers: whom it told, asked and alarmed. None of it leaves
-- the station. Phones are sealed.

-- Each thing that is done once ("R1:<assignment>:<start>"), so that a restart neither repeats nor
-- forgets. keep_until: the key cannot come up again after that.
CREATE TABLE duty_step (
    key TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    keep_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX duty_step_keep ON duty_step(keep_until);

-- Assignments that changed since they were last compared with what their people were told; filled by
-- the triggers below, whoever changed them, and emptied a slice at a time.
CREATE TABLE duty_touch (
    assignment_id TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

-- What each person was last told about a duty.
CREATE TABLE notice (
    assignment_id TEXT PRIMARY KEY NOT NULL,
    person_id TEXT NOT NULL,
    phone TEXT NOT NULL,
    post_id TEXT NOT NULL,
    start_at INTEGER NOT NULL,
    end_at INTEGER NOT NULL,
    told_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_end ON notice(end_at);

-- A duty (or a gap, or a subscription) that a phone may answer with a digit or a word. asks: it was
-- asked to answer and has not yet; a notice can be answered but waits for nothing.
CREATE TABLE prompt (
    id INTEGER PRIMARY KEY,
    phone TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('duty', 'gap', 'subscribe')),
    ref_id TEXT NOT NULL, -- assignment, gap or school
    code TEXT NOT NULL,
    asks INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    answer TEXT,
    answered_at INTEGER,
    UNIQUE (phone, kind, ref_id)
) STRICT;
CREATE INDEX prompt_code ON prompt(code);
CREATE INDEX prompt_expires ON prompt(expires_at);

-- The last message that went to a phone: 收到 confirms only when it asked something.
CREATE TABLE phone_last (
    phone TEXT PRIMARY KEY NOT NULL,
    text_id TEXT NOT NULL,
    sort INTEGER NOT NULL, -- enum last_sent
    prompt_id INTEGER,     -- NULL: it was about none
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A duty that others are asked to take.
CREATE TABLE offer (
    id TEXT PRIMARY KEY NOT NULL,
    code TEXT NOT NULL,
    assignment_id TEXT NOT NULL,
    shift_id TEXT NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('decline', 'no_show', 'swap')),
    state TEXT NOT NULL CHECK (state IN ('open', 'taken', 'failed', 'closed')),
    wave INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL, -- the next wave, or the leader
    opened_at INTEGER NOT NULL,
    taken_by TEXT,
    closed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX offer_open ON offer(assignment_id) WHERE state = 'open';
CREATE INDEX offer_next ON offer(next_at) WHERE state = 'open';

CREATE TABLE offer_ask (
    offer_id TEXT NOT NULL REFERENCES offer(id) ON DELETE CASCADE,
    person_id TEXT NOT NULL,
    phone TEXT NOT NULL,
    wave INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (offer_id, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX offer_ask_person ON offer_ask(person_id, asked_at);
CREATE INDEX offer_ask_phone ON offer_ask(phone);

-- Somebody who is missing on a post: the ladder person, leader, senior officer, gap.
CREATE TABLE gap (
    id TEXT PRIMARY KEY NOT NULL,
    code TEXT NOT NULL,
    assignment_id TEXT NOT NULL UNIQUE,
    shift_id TEXT NOT NULL,
    base_at INTEGER NOT NULL, -- what the steps count from
    level INTEGER NOT NULL DEFAULT 0, -- steps done
    state TEXT NOT NULL CHECK (state IN ('open', 'acked', 'arrived', 'covered', 'gap')),
    acked_by TEXT,
    acked_at INTEGER
) STRICT;

-- Where an alarm's ladder stands; the alarm itself is replicated.
CREATE TABLE alarm_run (
    alarm_id TEXT PRIMARY KEY NOT NULL,
    started_at INTEGER NOT NULL,             -- what the steps count from
    minutes_done INTEGER NOT NULL DEFAULT 0, -- steps up to this many minutes are done
    next_at INTEGER,                         -- NULL: nothing more to do
    reminded INTEGER NOT NULL DEFAULT 0      -- times told again after it was taken
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_run_next ON alarm_run(next_at) WHERE next_at IS NOT NULL;

-- Whom an alarm's code was sent to: only they may take or end it.
CREATE TABLE alarm_told (
    alarm_id TEXT NOT NULL,
    phone TEXT NOT NULL,
    person_id TEXT,
    role TEXT NOT NULL CHECK (role IN ('raiser', 'post', 'leader', 'senior', 'room')),
    heard_at INTEGER, -- answered our call, or rang back
    PRIMARY KEY (alarm_id, phone)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_told_phone ON alarm_told(phone);

-- What a person at the desk has to look at.
CREATE TABLE desk_item (
    id TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'call', 'gap', 'storm', 'event', 'alarm', 'stop',
        'push', 'unsent', 'ring', 'issue')),
    phone TEXT,
    person_id TEXT,
    ref_id TEXT,
    body TEXT, -- sealed
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done'))
) STRICT;
CREATE INDEX desk_item_open ON desk_item(at) WHERE state = 'open';
CREATE INDEX desk_item_phone ON desk_item(phone);

-- Texts and events that could not be handled: on the desk, and tried again. The next step of one
-- that stays so is a person's: next_at NULL.
CREATE TABLE duty_again (
    id TEXT PRIMARY KEY NOT NULL, -- of the text or the event
    kind TEXT NOT NULL CHECK (kind IN ('text', 'event')),
    phone TEXT,
    body TEXT, -- sealed
    can_answer INTEGER NOT NULL,
    device_id TEXT,
    event_kind TEXT,
    subject TEXT,
    fresh INTEGER NOT NULL,
    sent_at INTEGER NOT NULL, -- the device's time, for an event
    heard_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX duty_again_next ON duty_again(next_at) WHERE next_at IS NOT NULL;

-- 退订: a volunteer who stays on the roster hears of changes of the own duty only.
CREATE TABLE optout (
    phone TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE subscription (
    phone TEXT NOT NULL,
    school_id TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (phone, school_id)
) STRICT, WITHOUT ROWID;

-- A changed dismissal on its way to the parents: counted first, then confirmed by a person when
-- there are many or not all can be reached before the bell.
CREATE TABLE push (
    id TEXT PRIMARY KEY NOT NULL, -- of the school_day and its time
    school_day_id TEXT NOT NULL,
    at_min INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sending')),
    people INTEGER NOT NULL, -- who subscribed
    reach INTEGER NOT NULL,  -- how many of them hear it in time
    asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Answers to unknown senders and misunderstood texts, which are few an hour.
CREATE TABLE passive (
    phone TEXT NOT NULL,
    at INTEGER NOT NULL,
    text_id TEXT NOT NULL
) STRICT;
CREATE INDEX passive_phone ON passive(phone, at);

-- Ways into the replicated tables that the duty flow walks every minute.
CREATE INDEX person_by_phone ON person(phone);
CREATE INDEX shift_by_start ON shift(start_at);
CREATE INDEX post_by_school ON post(school_id);
CREATE INDEX assignment_on_post ON assignment(shift_id) WHERE state = 'on_post';
CREATE INDEX shift_by_post ON shift(post_id, start_at);
CREATE INDEX assignment_by_shift ON assignment(shift_id);
CREATE INDEX assignment_by_person ON assignment(person_id);
CREATE INDEX assignment_stands_in ON assignment(stands_in_for) WHERE stands_in_for IS NOT NULL;
CREATE INDEX checkin_by_assignment ON checkin(assignment_id);
CREATE INDEX checkin_by_time ON checkin(at);
CREATE INDEX person_by_school ON person(school_id);
CREATE INDEX avail_by_person ON avail(person_id);
CREATE INDEX alarm_by_state ON alarm(state);
CREATE INDEX alarm_by_code ON alarm(code);
CREATE INDEX offer_code ON offer(code);
CREATE INDEX offer_assignment ON offer(assignment_id, opened_at);
CREATE INDEX gap_code ON gap(code);
CREATE INDEX gap_open ON gap(base_at) WHERE state IN ('open', 'acked');

-- One person's part in one shift, with all that a text about it needs.
CREATE VIEW slot AS
SELECT a.id AS assignment_id, a.scope AS scope, a.state AS state, a.role AS role,
       a.stands_in_for AS stands_in_for, a.answered_at AS answered_at, a.person_id AS person_id,
       p.kind AS person_kind, p.name AS person_name, p.phone AS phone, p.lang AS lang,
       coalesce(p.active, 1) AS active, s.id AS shift_id, s.date AS date, s.peak AS peak,
       s.start_at AS start_at, s.end_at AS end_at, coalesce(s.need, 1) AS need,
       s.state NOT IN ('draft', 'cancelled') AS published, s.post_id AS post_id,
       coalesce(nullif(po.short, ''), po.name) AS post, po.school_id AS school_id,
       sc.code AS school_code, coalesce(nullif(sc.short, ''), sc.name) AS school,
       sc.station_id AS station_id
FROM assignment a
JOIN shift s ON s.id = a.shift_id
LEFT JOIN post po ON po.id = s.post_id
LEFT JOIN school sc ON sc.id = po.school_id
LEFT JOIN person p ON p.id = a.person_id
WHERE s.start_at IS NOT NULL AND s.end_at IS NOT NULL;

-- ON CONFLICT DO NOTHING and not OR IGNORE: the upsert with which the county's rows arrive would
-- override the latter in a trigger, and a second touch would make its row a bad one.
CREATE TRIGGER duty_touch_new AFTER INSERT ON assignment
BEGIN
    INSERT INTO duty_touch(assignment_id) VALUES (NEW.id)
        ON CONFLICT DO NOTHING;
END;

-- Answers and check-ins change nothing that people have to be told.
CREATE TRIGGER duty_touch_changed AFTER UPDATE OF shift_id, person_id, state ON assignment
WHEN NEW.shift_id <> OLD.shift_id OR NEW.person_id <> OLD.person_id
    OR NEW.state IN ('planned', 'cancelled', 'excused')
    OR OLD.state IN ('declined', 'cancelled', 'excused', 'no_show')
BEGIN
    INSERT INTO duty_touch(assignment_id) VALUES (NEW.id)
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER duty_touch_gone AFTER DELETE ON assignment
BEGIN
    INSERT INTO duty_touch(assignment_id) VALUES (OLD.id)
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER duty_touch_shift_new AFTER INSERT ON shift
BEGIN
    INSERT INTO duty_touch(assignment_id)
        SELECT id FROM assignment WHERE shift_id = NEW.id
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER duty_touch_shift AFTER UPDATE OF post_id, start_at, end_at, state ON shift
BEGIN
    INSERT INTO duty_touch(assignment_id)
        SELECT id FROM assignment WHERE shift_id = NEW.id
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER duty_touch_shift_gone AFTER DELETE ON shift
BEGIN
    INSERT INTO duty_touch(assignment_id)
        SELECT id FROM assignment WHERE shift_id = OLD.id
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER duty_touch_person_new AFTER INSERT ON person
BEGIN
    INSERT INTO duty_touch(assignment_id)
        SELECT id FROM assignment WHERE person_id = NEW.id
        ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER duty_touch_person AFTER UPDATE OF phone, active ON person
WHEN NEW.phone IS NOT OLD.phone OR NEW.active IS NOT OLD.active
BEGIN
    INSERT INTO duty_touch(assignment_id)
        SELECT id FROM assignment WHERE person_id = NEW.id
        ON CONFLICT DO NOTHING;
END;
