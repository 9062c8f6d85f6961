-- New facts; their absence was seen under the account's lock.
insert into facts (account_id, topic, id, occurred_at, content)
select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])
