-- The parts of the log, oldest first, and when the newest row of each was recorded.
select p.name, p.first_seq, p.end_seq, (
    select max(r.recorded_at) from shards s, lateral (
        select recorded_at from decision_log l
        where l.shard = s.shard and l.seq >= p.first_seq and l.seq < p.end_seq order by l.seq desc limit 1
    ) r
) as newest
from log_parts p order by p.first_seq
