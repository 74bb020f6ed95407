-- What is in flight is told by the number of the last mark that was claimed (flight.h). An event's
-- mark is not written when it is claimed, and goes when the county has it.
INSERT INTO sync_state(k, v)
    SELECT 'claimed', coalesce(max(lseq), 0) FROM sync_out WHERE st = 1 AND st <> 2 AND st <> 4;
UPDATE sync_out SET st = 0
    WHERE st = 1 AND st <> 2 AND st <> 4 AND (tid = 15 OR tid = 17 OR tid = 18);
DELETE FROM sync_out WHERE st = 2 AND (tid = 15 OR tid = 17 OR tid = 18);
