-- Short messages: local to the station. Numbers are seal_phone() texts, bodies and raw PDUs are
-- sealed. Times are UTC milliseconds.

-- One row a message for life.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,         -- order of arrival
    id TEXT NOT NULL UNIQUE,
    idem TEXT NOT NULL UNIQUE,       -- the same key again is the same message
    phone TEXT NOT NULL,
    body TEXT NOT NULL,
    prio INTEGER NOT NULL,           -- enum sms_prio
    concat_ref INTEGER NOT NULL,     -- reference of the parts, 0 to 255
    parts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    not_before_at INTEGER NOT NULL,
    not_after_at INTEGER NOT NULL,
    ref_kind TEXT,
    ref_id TEXT,
    text_id TEXT,
    state TEXT NOT NULL,             -- outbox_summary() of its parts
    reason TEXT
) STRICT;
CREATE INDEX outbox_ref ON outbox(ref_kind, ref_id);
CREATE INDEX outbox_phone ON outbox(phone, seq);
CREATE INDEX outbox_state ON outbox(state, seq);

-- One row a part and copy; copy 0 is the first sending, others carry a visible mark.
CREATE TABLE outbox_part (
    message_seq INTEGER NOT NULL REFERENCES outbox(seq),
    part INTEGER NOT NULL,           -- from 1
    copy INTEGER NOT NULL,
    prio INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    not_after_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    modem TEXT,
    mr INTEGER,                      -- TP-MR, wraps at 256
    submitted_at INTEGER,
    sent_at INTEGER,
    ended_at INTEGER,
    cause TEXT,                      -- of the last refusal, e.g. 'cms 38'
    PRIMARY KEY (message_seq, part, copy)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_part_due ON outbox_part(prio, due_at, message_seq, part)
    WHERE state = 'queued';
CREATE INDEX outbox_part_end ON outbox_part(not_after_at) WHERE state = 'queued';
CREATE INDEX outbox_part_flight ON outbox_part(state) WHERE state IN ('claimed', 'submitted');
CREATE INDEX outbox_part_mr ON outbox_part(modem, mr) WHERE mr IS NOT NULL;

-- How long each part spent in which state.
CREATE TABLE outbox_history (
    message_seq INTEGER NOT NULL REFERENCES outbox(seq),
    part INTEGER NOT NULL,
    copy INTEGER NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    modem TEXT,
    cause TEXT
) STRICT;
CREATE INDEX outbox_history_message ON outbox_history(message_seq);

-- Concatenation references count per recipient, so that a phone never joins parts of two messages.
CREATE TABLE outbox_next_ref (
    phone TEXT PRIMARY KEY NOT NULL,
    next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Delivery reports as they came; the ones that fit no part yet wait for the answer of the modem.
CREATE TABLE outbox_report (
    id INTEGER PRIMARY KEY,
    modem TEXT NOT NULL,
    mr INTEGER NOT NULL,
    phone TEXT NOT NULL,
    status INTEGER NOT NULL,         -- TP-ST
    done_at INTEGER,
    heard_at INTEGER NOT NULL,
    message_seq INTEGER,             -- NULL: fits nothing yet
    part INTEGER,
    copy INTEGER
) STRICT;
CREATE INDEX outbox_report_open ON outbox_report(modem, phone, heard_at)
    WHERE message_seq IS NULL;

-- One row a text from outside: whole, or waiting for its other parts.
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    phone TEXT NOT NULL,
    body TEXT,                       -- NULL while parts are waited for
    parts INTEGER NOT NULL,
    have INTEGER NOT NULL,
    can_answer INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,
    state TEXT NOT NULL,             -- waiting, handled, unhandled
    reason TEXT,
    concat_ref INTEGER,              -- NULL: a message of one part
    concat_wide INTEGER,
    deadline_at INTEGER              -- while waiting: then it is given out with gaps
) STRICT;
CREATE INDEX inbox_waiting ON inbox(deadline_at) WHERE state = 'waiting';
CREATE INDEX inbox_unhandled ON inbox(seq) WHERE state = 'unhandled';
CREATE INDEX inbox_concat ON inbox(phone, concat_ref, seq) WHERE concat_ref IS NOT NULL;

-- Every PDU that a modem handed over, once. The sealed form is made from the bytes alone, so equal
-- PDUs (sender, time stamp and text) are equal here and UNIQUE keeps the second one out.
CREATE TABLE inbox_pdu (
    seq INTEGER PRIMARY KEY,
    pdu TEXT NOT NULL UNIQUE,
    modem TEXT NOT NULL,
    heard_at INTEGER NOT NULL,
    kind TEXT NOT NULL,              -- text, report, doubled, bad
    reason TEXT,                     -- why it could not be read
    inbox_seq INTEGER REFERENCES inbox(seq),
    part INTEGER,
    text TEXT,                       -- sealed text of this part
    head_low INTEGER,                -- halves of a character that was cut between two parts
    tail_high INTEGER
) STRICT;
CREATE INDEX inbox_pdu_parts ON inbox_pdu(inbox_seq, part) WHERE inbox_seq IS NOT NULL;
