-- What sync remembers at the station (PROTOCOL.md). The triggers that write sync_out are made from
-- the table list each time the replica is opened (marks.h).

-- One mark for each changed (row, base): "these column groups differ from version base".
-- st: 0 unsent, 1 in flight, 2 settled (kept 35 days), 3 lost: the county's row is awaited, 4 set aside
CREATE TABLE sync_out (
    lseq INTEGER PRIMARY KEY AUTOINCREMENT,
    tid INTEGER NOT NULL,
    pk TEXT NOT NULL,
    base INTEGER NOT NULL,
    gm INTEGER NOT NULL, -- bit i: column group i
    h INTEGER NOT NULL,  -- wall clock of the change, UTC ms
    boot INTEGER,        -- start of the program that made it
    st INTEGER NOT NULL DEFAULT 0 CHECK (st BETWEEN 0 AND 4)
) STRICT;
-- checkin (15), alarm_event (17) and device_event (18) may come by the hundred a turn and can have no
-- second mark: they are left out
CREATE UNIQUE INDEX sync_out_u ON sync_out(tid, pk, base)
    WHERE st = 0 AND tid <> 15 AND tid <> 17 AND tid <> 18;
-- the marks that are not settled, by row and by state; not "IN (0, 1, 3)", for which SQLite would
-- build a temporary table with each insert
CREATE INDEX sync_out_open ON sync_out(tid, pk)
    WHERE tid <> 15 AND tid <> 17 AND tid <> 18 AND st <> 2 AND st <> 4;
CREATE INDEX sync_out_todo ON sync_out(st, lseq) WHERE st <> 2 AND st <> 4;

-- Starts of the program and how far its clock was from the county's (off_ms = county - station;
-- q 0 unknown, 1 measured), so that stamps of a wrong clock can be understood later.
CREATE TABLE sync_boot (
    boot INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    off_ms INTEGER,
    q INTEGER NOT NULL DEFAULT 0
) STRICT;

-- station, inc, tok, ep, acked, conflicts, 'cur:<scope>' as [epoch, v]
CREATE TABLE sync_state (
    k TEXT PRIMARY KEY NOT NULL,
    v ANY
) STRICT, WITHOUT ROWID;

-- Rows that could not be sent or applied, for the operator. row is sealed: it may hold a number.
CREATE TABLE sync_quarantine (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    way TEXT NOT NULL CHECK (way IN ('out', 'in')),
    tid INTEGER NOT NULL, -- 0: a table this program does not have
    pk TEXT,
    lseq INTEGER, -- of the mark, way 'out'
    v INTEGER,    -- version, way 'in'
    row TEXT,
    why TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX sync_quarantine_in ON sync_quarantine(tid, pk, v) WHERE way = 'in';
CREATE UNIQUE INDEX sync_quarantine_out ON sync_quarantine(lseq) WHERE way = 'out';
