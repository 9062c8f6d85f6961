-- Marks dead letters as redriven, and returns those that were not marked before. A concurrent redrive of the same
-- dead letters waits here and then finds them marked. A function of the database, so that a read-only user can
-- redrive.
select mark_redriven($1::text[], $2::timestamptz)
