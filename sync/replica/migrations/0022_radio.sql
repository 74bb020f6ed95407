-- Radios at this station: who they belong to, what was heard, what goes to them.

-- Heard to write, or registered. A node that belongs to nobody is listed and never obeyed.
CREATE TABLE radio_node (
    product TEXT NOT NULL,
    node TEXT NOT NULL, -- "!7efeee00", "1042"
    person_id TEXT,     -- NULL: nobody's
    channel TEXT NOT NULL DEFAULT '', -- heard on last
    device_id TEXT, -- as in device_state, when it is called otherwise there
    added_at INTEGER NOT NULL DEFAULT 0,
    heard_at INTEGER NOT NULL DEFAULT 0,
    texts INTEGER NOT NULL DEFAULT 0,   -- obeyed
    ignored INTEGER NOT NULL DEFAULT 0, -- not: nobody's, too late, another channel
    PRIMARY KEY (product, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX radio_node_person ON radio_node(person_id) WHERE person_id IS NOT NULL;

-- Texts that were taken, by writer and number, so that none is taken twice. Their words are not kept.
CREATE TABLE radio_in (
    id TEXT PRIMARY KEY NOT NULL, -- "radio/<product>/<node>/<number>"
    product TEXT NOT NULL,
    node TEXT NOT NULL,
    heard_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX radio_in_heard ON radio_in(heard_at);

-- One row a packet.
CREATE TABLE radio_out (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    idem TEXT NOT NULL, -- asked for again with it: the same message
    product TEXT NOT NULL,
    node TEXT NOT NULL,
    part INTEGER NOT NULL,
    prio INTEGER NOT NULL,
    body TEXT NOT NULL, -- sealed
    bytes INTEGER NOT NULL,
    ref_kind TEXT,
    ref_id TEXT,
    created_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    state TEXT NOT NULL CHECK(state IN ('queued', 'given', 'delivered', 'sent', 'failed', 'expired',
                                        'cancelled')),
    packet INTEGER NOT NULL DEFAULT 0, -- number of the last try
    tries INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL, -- queued: not before; given: waited for until
    ended_at INTEGER,
    UNIQUE (idem, product, node, part)
) STRICT;
CREATE INDEX radio_out_open ON radio_out(prio, id) WHERE state IN ('queued', 'given');
CREATE INDEX radio_out_ref ON radio_out(ref_kind, ref_id) WHERE state IN ('queued', 'given');

-- How long we kept the air busy; of the last hour.
CREATE TABLE radio_air (
    product TEXT NOT NULL,
    at INTEGER NOT NULL,
    air_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX radio_air_at ON radio_air(product, at);

-- Accounts at the broker: of each node of a mesh, and one of the program beside another radio.
CREATE VIEW radio_user AS
    SELECT DISTINCT CASE product WHEN 'meshtastic' THEN node ELSE product END AS user, product
    FROM radio_node WHERE person_id IS NOT NULL;
