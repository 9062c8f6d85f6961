-- The newest instant of any fact that was read; null before there is one.
select max(latest_occurred_at) from positions
