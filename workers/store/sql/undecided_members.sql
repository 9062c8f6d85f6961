-- How many members of a company are undecided: they have deferred facts or are quarantined.
select count(*) from memberships m join accounts a using (account_id)
where m.company_key = $1 and (a.deferred or a.quarantined is not null)
