-- How much of which may go out when: local to the station.

ALTER TABLE outbox ADD COLUMN any_hour INTEGER NOT NULL DEFAULT 0; -- quiet hours do not hold it
ALTER TABLE outbox ADD COLUMN goes_at INTEGER NOT NULL DEFAULT 0;  -- when it was to go, for caps
ALTER TABLE outbox ADD COLUMN wait TEXT;                           -- why later: 'quiet', 'cap'
CREATE INDEX outbox_goes ON outbox(phone, goes_at);
CREATE INDEX outbox_expired ON outbox(ref_kind, ref_id) WHERE state = 'expired';

-- What each SIM may still send, see pace.h.
CREATE TABLE modem_pace (
    modem TEXT PRIMARY KEY NOT NULL,
    milli INTEGER NOT NULL,      -- tokens, in thousandths
    at INTEGER NOT NULL,         -- when that was so
    day_at INTEGER NOT NULL,     -- local midnight
    day_count INTEGER NOT NULL   -- parts since then
) STRICT, WITHOUT ROWID;

-- Switches of the operator and marks of the modems' life: 'paused', 'outage'. A row: since when.
CREATE TABLE sms_mark (
    name TEXT PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Calls from here, which only ring; and to here, which nobody answers (state 'heard').
CREATE TABLE sms_call (
    seq INTEGER PRIMARY KEY,
    idem TEXT NOT NULL UNIQUE,
    phone TEXT NOT NULL,
    ref_kind TEXT,
    ref_id TEXT,
    ring_ms INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    not_after_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'dialling', 'rang', 'answered', 'refused',
        'failed', 'stopped', 'expired', 'cancelled', 'heard')),
    modem TEXT,
    ended_at INTEGER
) STRICT;
CREATE INDEX sms_call_open ON sms_call(seq) WHERE state IN ('queued', 'dialling');
CREATE INDEX sms_call_ref ON sms_call(ref_kind, ref_id);
CREATE INDEX sms_call_phone ON sms_call(phone);
