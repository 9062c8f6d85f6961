-- Appends to the decision log and wakes the relay.
with appended as (
    insert into decision_log (shard, seq, hash, topic, key, headers, value, decision_id, subject, kind,
                              effective_at, recorded_at)
    select * from unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::text[], $5::bytea[], $6::text[],
                         $7::bytea[], $8::uuid[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[])
)
select pg_notify('standing_log', '')
