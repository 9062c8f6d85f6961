-- Dead letters by topic/partition/offset, in the order in which they were read, and when each was redriven.
select l.subject, convert_from(l.value, 'UTF8') as letter, r.redriven_at
from decision_log l left join redriven r on r.place = l.subject
where l.kind = 'dead_letter' and l.subject = any($1::text[])
order by l.recorded_at, split_part(l.subject, '/', 1), split_part(l.subject, '/', 2)::int,
         split_part(l.subject, '/', 3)::bigint
