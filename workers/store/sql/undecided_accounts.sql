-- Accounts that are to be judged again as they are: a fan-out has not reached all members of their company, they are
-- quarantined, or a rebuild left them to the timers (`wake_at` at 1970).
select account_id from accounts
where quarantined is not null or (waits and wake_at = timestamptz '1970-01-01 00:00:00+00')
union
select account_id from memberships join spreads using (company_key) where not waits
