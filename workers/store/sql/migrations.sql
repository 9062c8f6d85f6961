-- The migrations that were applied.
select name from migrations
