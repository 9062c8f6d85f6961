-- The latest instant of any fact that was read; null before the first.
select max(latest_occurred_at) from positions
