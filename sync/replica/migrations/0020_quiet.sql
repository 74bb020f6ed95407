-- Quiet hours that one number has in place of the station's; equal times: none. Local.
CREATE TABLE quiet_phone (
    phone TEXT PRIMARY KEY NOT NULL,
    from_min INTEGER NOT NULL, -- after local midnight
    to_min INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
