-- MQTT at this station: how payloads are read, what the devices are doing, what goes to them.

-- A rule reads one kind of message. `filter` is an MQTT topic filter. Paths are '$', '.name' and
-- '[0]' of SQLite's json_extract and nothing else, checked when the rules are loaded, so that a
-- rule can neither fail nor run SQL. A text payload (fmt 'text') is one JSON string, path '$'.
CREATE TABLE mqtt_rule (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL DEFAULT 'own' CHECK(origin IN ('own', 'shipped')), -- shipped: replaced at each start
    rank INTEGER NOT NULL DEFAULT 0, -- the lowest rule of a filter that fits wins
    enabled INTEGER NOT NULL DEFAULT 1,
    ok INTEGER NOT NULL DEFAULT 0,   -- set when it was loaded and is correct
    problem TEXT,                    -- why it is not
    product TEXT NOT NULL,           -- must be that of the device
    filter TEXT NOT NULL,
    fmt TEXT NOT NULL DEFAULT 'json' CHECK(fmt IN ('json', 'text')),
    guard TEXT,     -- the rule fits when the value at this path
    guard_eq TEXT,  -- is this text (NULL: when it is there at all)
    guard2 TEXT,
    guard2_eq TEXT,
    kind TEXT NOT NULL, -- a kind of event, or the path to one
    dev TEXT NOT NULL,  -- 't:2' is a level of the topic, from 0; or a path
    dev_check TEXT,     -- when this path has a value it must name the same device
    code TEXT,          -- '=text', or a path
    subject TEXT,
    ts TEXT,
    ts_format TEXT CHECK(ts_format IN ('s', 'ms', 'iso', 'local+08:00')),
    dedupe TEXT,
    dedupe2 TEXT,       -- appended with '@'
    window_s INTEGER NOT NULL DEFAULT 0, -- without a dedupe value: equal payloads within it are one event
    silent_s INTEGER NOT NULL DEFAULT 0, -- this message repeats; the device is off when silent for so long
    ack_id TEXT,        -- without a value here nothing is acknowledged
    ack_topic TEXT,     -- {dev} {id} {t:N} are replaced
    ack_payload TEXT,   -- the same within JSON strings; {int} is the id as a whole number
    ack_qos INTEGER NOT NULL DEFAULT 0 CHECK(ack_qos IN (0, 1))
) STRICT;
CREATE INDEX mqtt_rule_filter ON mqtt_rule(filter, fmt, rank, id);

-- Devices that were heard, registered (table device) or not.
CREATE TABLE device_state (
    device_id TEXT PRIMARY KEY NOT NULL,
    product TEXT NOT NULL,
    state TEXT NOT NULL CHECK(state IN ('unknown', 'online', 'offline')),
    state_at INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    heard_at INTEGER NOT NULL,  -- 0: only its last will was
    event_at INTEGER NOT NULL,  -- last event
    silent_s INTEGER NOT NULL,  -- 0: has no heartbeat
    offset_ms INTEGER,          -- what its clock is behind ours; NULL: not known
    messages INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- For people: all devices, also those that nobody registered.
CREATE VIEW device_list AS
    SELECT d.id AS device_id, d.name AS name, d.product AS product, d.kind AS kind,
           d.school_id AS school_id, d.post_id AS post_id, 1 AS registered,
           coalesce(s.state, 'unknown') AS state, s.state_at AS state_at, s.heard_at AS heard_at,
           s.event_at AS event_at, s.offset_ms AS offset_ms, coalesce(s.messages, 0) AS messages
    FROM device d LEFT JOIN device_state s ON s.device_id = d.id
    UNION ALL
    SELECT s.device_id, NULL, s.product, NULL, NULL, NULL, 0, s.state, s.state_at, s.heard_at,
           s.event_at, s.offset_ms, s.messages
    FROM device_state s WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.id = s.device_id);

-- What no rule understands; the oldest rows go first when there are too many. Photos are cut out
-- and names, numbers and keys blanked before a row is written.
CREATE TABLE mqtt_raw (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    heard_at INTEGER NOT NULL,
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,
    size INTEGER NOT NULL, -- of the payload as received
    retained INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- What goes to devices; a row is deleted when the broker has acknowledged it.
CREATE TABLE mqtt_out (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    qos INTEGER NOT NULL,
    retain INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL -- 0: never
) STRICT;
