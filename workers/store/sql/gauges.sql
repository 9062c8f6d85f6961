-- How much is left to do: silences due at $1 and overdue at $2, and what is held, each counted by its index and
-- no further than $3; a spread whose members wait for the horizon is none to be done, as in `standing status`.
select (select count(*) from (select from accounts where wake_at <= $1 and not held order by wake_at limit $3) d) as due,
       (select count(*) from (select from accounts where wake_at <= $2 and not held order by wake_at limit $3) d) as overdue,
       (select min(wake_at) from accounts where wake_at <= $1 and not held) as oldest_due,
       (select count(*) from (select from accounts where held order by account_id limit $3) d) as accounts_held,
       (select count(*) from (select from spreads s where not (hits = 'null' and cursor = '' and coalesce((
            select true from memberships m join accounts using (account_id)
            where m.company_key = s.company_key and (waits or held) limit 1), false)) limit $3) d) as spreads
