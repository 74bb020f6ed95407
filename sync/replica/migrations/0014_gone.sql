-- The version that the row was known at when it was deleted: what it comes back on. NULL: none.
ALTER TABLE sync_gone ADD COLUMN v INTEGER;
