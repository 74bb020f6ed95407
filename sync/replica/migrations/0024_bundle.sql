-- The alarms that the last text of many alarms shows to a phone: told again when that text was
-- replaced before it went out. Local.
CREATE TABLE alarm_bundle (
    phone TEXT NOT NULL,
    alarm_id TEXT NOT NULL,
    at INTEGER NOT NULL, -- when it was said
    PRIMARY KEY (phone, alarm_id)
) STRICT, WITHOUT ROWID;
