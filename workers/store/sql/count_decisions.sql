-- How many of these decisions of accounts are in force.
select count(*) from unnest($1::text[], $2::uuid[]) as d(account_id, decision_id)
join current_decisions n on not n.of_company and n.subject = d.account_id and n.decision_id = d.decision_id
