-- Fan-outs that could not go on begin again.
update spreads set quarantined = null, cursor = '', waits = false, lease_until = null where quarantined is not null
returning company_key
