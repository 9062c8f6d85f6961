-- Whether the database has the table `deployment`, which the first migration creates.
select to_regclass('deployment') is not null
