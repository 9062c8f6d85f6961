-- Restarts the quarantined fan-outs.
update company_fanouts set quarantined = null, cursor = '', deferred = false, lease_until = null where quarantined is not null
returning company_key
