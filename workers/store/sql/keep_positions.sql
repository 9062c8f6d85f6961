-- Prevents ingest workers from claiming or moving a position until the transaction ends.
lock table positions in exclusive mode
