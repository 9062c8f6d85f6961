-- The dead letters of records, by topic/partition/offset, and when each was sent back to its topic.
select l.subject, convert_from(l.value, 'UTF8') as letter, r.redriven_at
from decision_log l left join redriven r on r.place = l.subject
where l.kind = 'dead_letter' and l.subject = any($1::text[])
order by l.recorded_at, l.shard, l.seq
