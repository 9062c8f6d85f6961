-- The migrations that were applied, before there is any.
create table if not exists migrations (name text collate "C" primary key)
