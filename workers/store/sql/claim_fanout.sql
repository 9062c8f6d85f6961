-- Leases one fan-out; a lease instead of a row lock, so that nothing waits for its worker. A fan-out that found
-- undecided members is skipped until none is undecided. It looks for the first undecided member instead of using
-- `exists`, which the planner may answer by hashing all members of all companies for each claim.
update company_fanouts s set lease_until = clock_timestamp() + $1::interval, worked_at = clock_timestamp()
from (select company_key from company_fanouts as free
      where (lease_until is null or lease_until < clock_timestamp()) and free.quarantined is null
        and not (free.deferred and coalesce((
            select true from memberships join accounts a using (account_id)
            where memberships.company_key = free.company_key and (a.deferred or a.quarantined is not null) limit 1), false))
      order by lease_until nulls first, company_key limit 1 for update of free skip locked) free
where s.company_key = free.company_key
returning s.company_key, s.version, s.cursor, s.deferred, s.because
