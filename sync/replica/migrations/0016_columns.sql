-- Columns of the replicated tables that this database has been told of, so that one that a newer
-- program brings is noticed (columns.h). lacking: it came when there were rows already.
CREATE TABLE sync_column (
    tid INTEGER NOT NULL,
    name TEXT NOT NULL,
    lacking INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tid, name)
) STRICT, WITHOUT ROWID;

-- Those rows: what the county has in their lacking columns is not known until they have come again.
CREATE TABLE sync_lacks (
    tid INTEGER NOT NULL,
    pk TEXT NOT NULL,
    PRIMARY KEY (tid, pk)
) STRICT, WITHOUT ROWID;

-- Tables that are to be compared with the county's for such columns, or because they are new.
CREATE TABLE sync_refill (tid INTEGER PRIMARY KEY) STRICT;
