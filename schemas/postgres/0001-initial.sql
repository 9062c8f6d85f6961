-- The whole state of the engine. Instants are timestamptz with microsecond precision. Null means "none", or minus
-- infinity for an instant that only moves forward. Keys are compared by code points (collate "C"), whatever the
-- collation of the database.

create table deployment (
    only_row           boolean primary key default true check (only_row),
    incarnation        uuid not null,          -- created by the first `standing setup`; part of every ce_id
    system_identifier  text not null,          -- of the PostgreSQL server
    timeline           integer not null,
    kafka_cluster_id   text not null,
    topic_prefix       text not null,
    consumer_group     text not null,
    input_partitions   integer not null,
    schema_version     integer not null,
    rules_version      integer not null,
    tzdata_version     text not null,
    policies           text not null,          -- JSON: id, digest and effective_from of each, in order
    fingerprint        text not null,          -- SHA-256 of all of the above; every transaction checks it
    input_topic_ids    text,                   -- JSON: Kafka's id of each input topic; a recreated topic has another
    output_topic_ids   text,                   -- JSON: the same for the output topics and the relay's checkpoints
    held               text,                   -- reason of the deadline hold; null: none
    partitions_compared_until timestamptz      -- when the brokers' partition counts last agreed with `positions`
);

-- How far each input partition was read, and by which worker. The transaction that moves a position also writes the
-- results of its records.
create table positions (
    topic              text collate "C" not null,
    partition          integer not null,
    next_offset        bigint not null default 0,
    epoch              bigint not null default 0,  -- grows with each claim; a worker with an older one writes nothing
    owner              text,
    watermark          timestamptz,                -- every fact up to here was read
    latest_occurred_at timestamptz,
    primary key (topic, partition)
);

-- Dead letters among the newest records of a partition; too many pause it.
create table dead_letter_windows (
    topic              text collate "C" not null,
    partition          integer not null,
    counted            bigint not null,         -- records since the start or the last accept
    dead               text not null,           -- JSON: numbers of the dead letters among the last 1,000 records
    accepted_until     bigint not null,         -- records before this offset do not count
    paused             text,                    -- why the partition is paused; null: it is not
    primary key (topic, partition)
);

-- Dead letters that were sent back to their topics.
create table redriven (
    place              text collate "C" primary key,  -- topic/partition/offset
    redriven_at        timestamptz not null
);

-- One small row for each account. An ordinary order changes only the columns of the last order, which no index covers.
create table accounts (
    account_id         text collate "C" primary key,
    standing           text not null default 'not_enrolled',
    deferred           boolean not null default false,  -- it has facts behind a deadline beyond the watermark
    next_check         timestamptz,                     -- next deadline; can be early, never late
    judged_until       timestamptz,                     -- the largest watermark it was judged with
    sequence           bigint not null default 0,
    standing_digest    bytea,                           -- digest of the last account-standing message
    quarantined        text                             -- why its last evaluation failed; null: it did not
) with (autovacuum_analyze_threshold = 2147483647);     -- no plan needs statistics
create index accounts_next_check on accounts (next_check) where next_check is not null and quarantined is null;
create index accounts_quarantined on accounts (account_id) where quarantined is not null;

-- What an ordinary order changes of an account, and nothing else: small rows, which cost little to update. The clock of
-- an account begins with its first effective order.
create table account_clocks (
    account_id         text collate "C" primary key,
    span_start         timestamptz not null,            -- start of the last span of effective orders
    last_effective_at  timestamptz not null,
    last_order_id      text not null,
    quiet_until        timestamptz                      -- before it, newer orders only move last_effective_at
) with (
    fillfactor = 50,  -- a HOT update needs room in the page
    -- While analyze runs, no old version can be pruned, and updates leave their page.
    autovacuum_analyze_threshold = 2147483647
);

-- The facts of accounts, as they were read: registry, cases and requests. Effective orders are in order_spans.
create table facts (
    account_id         text collate "C" not null,
    topic              text collate "C" not null,
    id                 text collate "C" not null,
    occurred_at        timestamptz not null,
    content            text not null,           -- canonical JSON of the contract's fields
    primary key (account_id, topic, id)
) with (autovacuum_analyze_threshold = 2147483647);

-- Effective orders, compressed: within a span no deadline can pass. `account_clocks` has the end of the last one.
create table order_spans (
    account_id         text collate "C" not null,
    first_at           timestamptz not null,
    first_order_id     text not null,
    last_at            timestamptz not null,
    last_order_id      text not null,
    primary key (account_id, first_at)
) with (autovacuum_analyze_threshold = 2147483647);

-- The decisions in force, of accounts and of companies.
create table current_decisions (
    of_company         boolean not null,
    subject            text collate "C" not null,
    decision_id        uuid not null,
    kind               text not null,
    effective_at       timestamptz not null,
    sequence           bigint not null,
    content            bytea not null,          -- digest of everything that is compared
    primary key (of_company, subject, decision_id)
) with (autovacuum_analyze_threshold = 2147483647);

create table companies (
    company_key        text collate "C" primary key,
    version            bigint not null default 0,
    sequence           bigint not null default 0,
    terminations       text not null default '[]',  -- JSON; they apply to every member
    completed          text not null default '[]'   -- JSON: terminations whose completion was published
);

-- Current and former members of each company.
create table memberships (
    company_key        text collate "C" not null,
    account_id         text collate "C" not null,
    primary key (company_key, account_id)
);

-- Fan-outs: companies whose members must be judged after their terminations changed. A newer version of the company
-- does not reset the cursor; the fan-out makes a second pass instead.
create table company_fanouts (
    company_key        text collate "C" primary key,
    version            bigint not null,
    cursor             text collate "C" not null default '',
    because            text not null,                   -- JSON: the facts that changed the company
    lease_until        timestamptz,
    worked_at          timestamptz not null default clock_timestamp(),  -- when it began or was last claimed
    deferred           boolean not null default false,  -- all members were reached, some are undecided
    quarantined        text                             -- why it is quarantined; null: it is not
);

-- The decision log: audit trail and outbox. Append only; seq has no gaps in a shard.
create table decision_log (
    shard              smallint not null,
    seq                bigint not null,
    hash               bytea not null,          -- SHA-256 of the hash before it and this row
    topic              text not null,
    key                bytea,
    headers            text not null,           -- JSON, as published
    value              bytea not null,          -- as published
    decision_id        uuid,
    subject            text collate "C" not null,
    kind               text not null,
    effective_at       timestamptz,
    recorded_at        timestamptz not null,
    primary key (shard, seq)
) partition by range (seq);
create index decision_log_subject on decision_log (subject, shard, seq);
create index decision_log_dead_letters on decision_log (recorded_at) where kind = 'dead_letter';
create table decision_log_default partition of decision_log default;

-- The head of each shard of the decision log.
create table shards (
    shard              smallint primary key,
    next_seq           bigint not null default 1,
    last_hash          bytea not null default ''
);

-- The parts of the log; each has the numbers from first_seq up to, but not including, end_seq, of every shard.
create view log_parts as
select name, bounds[1]::bigint as first_seq, bounds[2]::bigint as end_seq
from (
    select c.relname::text as name,
           regexp_match(pg_get_expr(c.relpartbound, c.oid), $$FROM \('?(\d+)'?\) TO \('?(\d+)'?\)$$) as bounds
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'decision_log'::regclass
) parts
where bounds is not null;

-- Creates parts of the log until `ahead` empty ones follow the newest row and `until`; returns how many. It is a
-- function because the relay owns no table. It attaches a new table, which does not block writers to other parts.
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

-- Marks dead letters as sent back; returns those that were not marked before. It is a function so that a role that can
-- only read can redrive. The atomic body binds its names now, whatever the search path of the caller.
create function mark_redriven(places text[], now_is timestamptz) returns setof text
language sql security definer
begin atomic
    insert into redriven (place, redriven_at)
    select place, now_is from unnest(places) as place
    where exists (select from decision_log l where l.subject = place and l.kind = 'dead_letter')
    order by place
    on conflict do nothing
    returning place;
end;
