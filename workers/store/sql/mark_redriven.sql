-- Marks dead letters as sent back to their topic, and returns those that were not so before. Whoever redrives
-- the same ones at the same time waits here, and finds them marked.
insert into redriven (place, redriven_at) select place, $2 from unnest($1::text[]) as place order by place
on conflict do nothing
returning place
