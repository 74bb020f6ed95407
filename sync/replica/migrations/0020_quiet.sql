-- Quiet hours that one number has in place of the station's; equal times: none. Local.
CREATE TABLE quiet_phone (
    phone TEXT PRIMARY KEY NOT NULL,
    from_min INTEGER NOT NULL, -- after local midnight
    to_min INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When which phone was texted of alarms, for ten minutes; and what waits to be told with others.
CREATE TABLE alarm_said (
    phone TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX alarm_said_phone ON alarm_said(phone, at);
CREATE INDEX alarm_said_at ON alarm_said(at);
CREATE TABLE alarm_later (
    phone TEXT NOT NULL,
    alarm_id TEXT NOT NULL,
    due_at INTEGER NOT NULL, -- of all that this phone is told then
    PRIMARY KEY (phone, alarm_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarm_later_due ON alarm_later(due_at);
