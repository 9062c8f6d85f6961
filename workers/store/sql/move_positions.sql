-- Moves positions that this transaction locked; their instants never go back.
update positions p
set next_offset = m.next_offset,
    watermark = greatest(p.watermark, m.watermark),
    latest_occurred_at = greatest(p.latest_occurred_at, m.latest_occurred_at)
from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
    as m(topic, partition, next_offset, epoch, watermark, latest_occurred_at)
where p.topic = m.topic and p.partition = m.partition
