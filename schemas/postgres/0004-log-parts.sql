-- Keys are compared by code points, whatever the database sorts by.
alter table positions alter column topic type text collate "C";
alter table rejects alter column topic type text collate "C";
alter table facts alter column topic type text collate "C";
alter table migrations alter column name type text collate "C";

-- The parts of the log, and the numbers that each takes: from first_seq to before end_seq, of every shard.
create view log_parts as
select name, bounds[1]::bigint as first_seq, bounds[2]::bigint as end_seq
from (
    select c.relname::text as name,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \('?(\d+)'?\) TO \('?(\d+)'?\)$$) as bounds
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'decision_log'::regclass
) parts
where bounds is not null;

-- Makes parts of the log until there is room for `ahead` of them behind the newest row and `until`; returns how many.
-- The relay calls it, which owns no table. A table is attached, for that stops nobody who writes to other parts.
create function extend_log(part_rows bigint, ahead integer, until bigint) returns integer
language plpgsql security definer set search_path = public
as $$
declare
    made integer := 0;
    wanted bigint;
    following bigint;
    name text;
begin
    perform pg_advisory_xact_lock(hashtext('standing log parts'));
    select greatest(max(next_seq), until) + ahead * part_rows into wanted from shards;
    select coalesce(max(end_seq), 0) into following from log_parts;
    while following < wanted loop
        select 'decision_log_' || to_char(coalesce(max(substring(relname from '\d+$')::integer), -1) + 1, 'FM000')
        into name from pg_class where relname ~ '^decision_log_\d+$';
        execute format('create table %I (like decision_log including defaults)', name);
        execute format('alter table decision_log attach partition %I for values from (%s) to (%s)',
                       name, following, following + part_rows);
        following := following + part_rows;
        made := made + 1;
    end loop;
    return made;
end
$$;
revoke all on function extend_log from public;
