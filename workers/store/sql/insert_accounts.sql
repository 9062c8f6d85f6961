-- Inserts empty rows for new accounts, so that they can be locked.
insert into accounts (account_id) select id from unnest($1::text[]) as id order by id collate "C" on conflict do nothing
