-- People at a school's gates at which a level begins, where the station's own numbers do not fit:
-- 60 are a crowd at a village school and a quiet morning at one of three thousand. Local.
CREATE TABLE school_flow_limit (
    school_id TEXT PRIMARY KEY NOT NULL,
    peak INTEGER NOT NULL,
    heavy INTEGER NOT NULL,
    CHECK(peak >= 2 AND heavy > peak)
) STRICT, WITHOUT ROWID;
