-- Marks dead letters as sent back to their topic, and returns those that were not so before. Whoever redrives
-- the same ones at the same time waits here, and finds them marked. A function of the database, so that a user who
-- may only read can redrive.
select mark_redriven($1::text[], $2::timestamptz)
