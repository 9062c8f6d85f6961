-- Decisions that were published.
insert into net_decisions (of_company, subject, decision_id, kind, effective_at, sequence, content)
select * from unnest($1::bool[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[], $6::bigint[], $7::bytea[])
