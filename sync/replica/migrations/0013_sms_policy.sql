-- How much of which may go out when: local to the station.

ALTER TABLE outbox ADD COLUMN any_hour INTEGER NOT NULL DEFAULT 0; -- quiet hours do not hold it
ALTER TABLE outbox ADD COLUMN goes_at INTEGER NOT NULL DEFAULT 0;  -- when it was to go, for caps
ALTER TABLE outbox ADD COLUMN wait TEXT;                           -- why later: 'quiet', 'cap'

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
