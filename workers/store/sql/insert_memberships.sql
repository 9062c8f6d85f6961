-- Inserts memberships; former members stay, because they are judged again when the terminations change.
insert into memberships (company_key, account_id)
select * from unnest($1::text[], $2::text[]) as m(company_key, account_id) order by m.company_key collate "C", m.account_id collate "C" on conflict do nothing
