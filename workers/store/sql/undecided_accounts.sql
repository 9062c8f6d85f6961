-- Accounts that must be judged again: a fan-out has not reached all members of their company, they are quarantined,
-- or a rebuild left them to the timers (`next_check` is 1970).
select account_id from accounts
where quarantined is not null or (deferred and next_check = timestamptz '1970-01-01 00:00:00+00')
union
select account_id from memberships join company_fanouts using (company_key) where not deferred
