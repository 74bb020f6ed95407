-- PINs that were tried, one a modem: a wrong one is never tried twice. The PIN is sealed, and only
-- compared.
CREATE TABLE modem_pin (
    modem TEXT PRIMARY KEY NOT NULL,
    pin TEXT NOT NULL,
    state TEXT NOT NULL CHECK(state IN ('trying', 'taken', 'refused')),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers that the network refused for now: what else is queued for them waits too.
CREATE TABLE outbox_pause (
    phone TEXT PRIMARY KEY NOT NULL,
    until_at INTEGER NOT NULL,
    step INTEGER NOT NULL   -- refusals in a row
) STRICT, WITHOUT ROWID;
