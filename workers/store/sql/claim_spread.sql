-- Takes one spread for a while: a lease, not a held row, so that nobody waits for whoever works on it.
update spreads s set lease_until = clock_timestamp() + $1::interval
from (select company_key from spreads where lease_until is null or lease_until < clock_timestamp()
      order by lease_until nulls first, company_key limit 1 for update skip locked) free
where s.company_key = free.company_key
returning s.company_key, s.version, s.cursor, s.hits, s.because
