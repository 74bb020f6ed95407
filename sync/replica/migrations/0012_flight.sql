-- What the row of a mark in flight was before it was changed once more: scope and columns as a JSON
-- array, [] when it was deleted. NULL: it is as it was sent. What is sent again is what was sent.
ALTER TABLE sync_out ADD COLUMN was TEXT;
