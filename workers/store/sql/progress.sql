-- How far all partitions that bear on deadlines were read; one that was never read to any instant gives null.
-- No unread request can make a deadline wrong, so their topic is left out. The positions that the transaction is about
-- to write are given: $1 topic, $2 partition, $3 and $4 what they will have where it is later.
with read as (
    select topic, greatest(p.watermark, m.watermark) as watermark,
           greatest(p.latest_occurred_at, m.latest_occurred_at) as latest_occurred_at
    from positions p left join unnest($1::text[], $2::int[], $3::timestamptz[], $4::timestamptz[])
        as m(topic, partition, watermark, latest_occurred_at) using (topic, partition)
)
select (select case when bool_or(watermark is null) then null else min(watermark) end
        from read where topic <> 'account-requests') as partitions_watermark,
       d.partitions_compared_until as compared_until,
       (select max(latest_occurred_at) from read) as latest_occurred_at,
       d.held, d.fingerprint
from deployment d
