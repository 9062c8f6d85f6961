-- Creates the table of applied migrations.
create table if not exists migrations (name text collate "C" primary key)
