-- Since which version each column group, and last the deletion, is as it is: "v0,v1,vdel" as the
-- county told it. NULL: all are of _v. A county that comes back from a backup is told so what of a
-- row is news.
ALTER TABLE shift ADD COLUMN _g TEXT;
ALTER TABLE assignment ADD COLUMN _g TEXT;
ALTER TABLE alarm ADD COLUMN _g TEXT;
