-- Facts of this station that are not the county's.
CREATE TABLE kv (
    k TEXT PRIMARY KEY NOT NULL,
    v ANY
) STRICT, WITHOUT ROWID;

-- turn: number of the last committed turn, looked at after a failed COMMIT (replica.h)
INSERT INTO kv(k, v) VALUES ('turn', 0);
