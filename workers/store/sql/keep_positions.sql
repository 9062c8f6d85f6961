-- Keeps every ingest worker from claiming or moving a position until the transaction ends.
lock table positions in exclusive mode
