-- Quarantined accounts and why, after an account id, in order.
select account_id, quarantined from accounts
where quarantined is not null and account_id > $1 order by account_id limit $2
