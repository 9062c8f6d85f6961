-- How far all partitions that bear on silence were read; one that was never read to any instant gives null.
-- No unread request can make a silence wrong, so their topic is left out.
select (select case when bool_or(complete_until is null) then null else min(complete_until) end
        from positions where topic <> 'account-requests') as complete_until,
       d.partitions_compared_until as compared_until,
       (select max(latest_occurred_at) from positions) as latest_occurred_at,
       d.held, d.fingerprint
from deployment d
