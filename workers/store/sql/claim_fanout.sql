-- Takes one fan-out for a while: a lease, not a held row, so that nobody waits for its worker. One that reached all
-- members and found some undecided is left alone until none is; `exists` could be answered from all members of all
-- companies, hashed once for each claim, so the first such member is asked for instead.
update company_fanouts s set lease_until = clock_timestamp() + $1::interval, worked_at = clock_timestamp()
from (select company_key from company_fanouts as free
      where (lease_until is null or lease_until < clock_timestamp()) and free.quarantined is null
        and not (free.deferred and coalesce((
            select true from memberships join accounts a using (account_id)
            where memberships.company_key = free.company_key and (a.deferred or a.quarantined is not null) limit 1), false))
      order by lease_until nulls first, company_key limit 1 for update of free skip locked) free
where s.company_key = free.company_key
returning s.company_key, s.version, s.cursor, s.deferred, s.because
