-- The watermark of all partitions that deadlines depend on; null if one was never read. No unread request can make a
-- deadline wrong, so the topic of requests is left out. The positions that the transaction will write are
-- parameters: $1 topic, $2 partition, $3 and $4 their values, which count where they are later.
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
