-- Rules are files now, see config/devices.d.
DROP TABLE mqtt_rule;

-- What else a device says of itself, and where it was heard: commands go out along the same levels.
ALTER TABLE device_state ADD COLUMN topic TEXT;
ALTER TABLE device_state ADD COLUMN firmware TEXT;
ALTER TABLE device_state ADD COLUMN battery INTEGER;
ALTER TABLE device_state ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE device_state ADD COLUMN seq INTEGER NOT NULL DEFAULT -1;   -- last in its order
ALTER TABLE device_state ADD COLUMN seq_at INTEGER NOT NULL DEFAULT 0; -- its time, by the device's clock
ALTER TABLE device_state ADD COLUMN over INTEGER NOT NULL DEFAULT 0;   -- messages beyond its quota

ALTER TABLE device_state ADD COLUMN over_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN power TEXT; -- what its school runs on: mains, battery
ALTER TABLE device_state ADD COLUMN power_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_state ADD COLUMN people INTEGER NOT NULL DEFAULT 0; -- its last count
ALTER TABLE device_state ADD COLUMN people_at INTEGER NOT NULL DEFAULT 0;

DROP VIEW device_list;
CREATE VIEW device_list AS
    SELECT d.id AS device_id, d.name AS name, d.product AS product, d.kind AS kind,
           d.school_id AS school_id, d.post_id AS post_id, 1 AS registered,
           coalesce(s.state, 'unknown') AS state, s.state_at AS state_at, s.heard_at AS heard_at,
           s.event_at AS event_at, s.offset_ms AS offset_ms, coalesce(s.messages, 0) AS messages,
           s.firmware AS firmware, s.battery AS battery, coalesce(s.over, 0) AS over
    FROM device d LEFT JOIN device_state s ON s.device_id = d.id
    UNION ALL
    SELECT s.device_id, NULL, s.product, NULL, NULL, NULL, 0, s.state, s.state_at, s.heard_at,
           s.event_at, s.offset_ms, s.messages, s.firmware, s.battery, s.over
    FROM device_state s WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.id = s.device_id);

-- Numbers that a device used and we have not seen, from and to included.
CREATE TABLE device_gap (
    device_id TEXT NOT NULL,
    boot TEXT NOT NULL,
    seq_from INTEGER NOT NULL,
    seq_to INTEGER NOT NULL,
    at_from INTEGER NOT NULL, -- between these times, by the device's clock; 0: not known
    at_to INTEGER NOT NULL,
    noticed_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0, -- how often it was asked for them
    next_at INTEGER NOT NULL,         -- 0: not any more
    PRIMARY KEY (device_id, boot, seq_from)
) STRICT, WITHOUT ROWID;

-- What is broken and has to be seen to: one row for one cause. `subject` is a device, a school, a
-- product or ''.
CREATE TABLE device_repair (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cause TEXT NOT NULL,
    subject TEXT NOT NULL,
    devices INTEGER NOT NULL, -- how many it takes with it
    since INTEGER NOT NULL,
    closed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX device_repair_open ON device_repair(cause, subject) WHERE closed_at IS NULL;

-- What devices are told to do. The payload is made when it is put into mqtt_out.
CREATE TABLE device_command (
    id TEXT PRIMARY KEY NOT NULL,
    idem TEXT NOT NULL UNIQUE, -- asked for again with it: the same command
    device_id TEXT NOT NULL,
    name TEXT NOT NULL,
    args TEXT NOT NULL, -- JSON
    state TEXT NOT NULL CHECK(state IN ('queued', 'given', 'sent', 'acknowledged', 'refused',
                                        'timed_out', 'expired')),
    created_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    timeout_ms INTEGER NOT NULL, -- for the reply, from `sent` on; 0: there is none
    sent_at INTEGER,
    ended_at INTEGER,
    problem TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX device_command_state ON device_command(state) WHERE state IN ('queued', 'given', 'sent');
CREATE INDEX device_command_device ON device_command(device_id, created_at);
ALTER TABLE mqtt_out ADD COLUMN command_id TEXT;

-- Secrets that we share with devices, sealed: the password at the broker and the key of signatures.
CREATE TABLE device_key (
    device_id TEXT PRIMARY KEY NOT NULL,
    password TEXT NOT NULL,
    mac_key TEXT, -- NULL: its events are not signed
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How many people are at a school's gates now, and what that is called.
CREATE TABLE school_flow (
    school_id TEXT PRIMARY KEY NOT NULL,
    level TEXT NOT NULL CHECK(level IN ('flat', 'peak', 'heavy')),
    level_at INTEGER NOT NULL,
    people INTEGER NOT NULL,
    counted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
