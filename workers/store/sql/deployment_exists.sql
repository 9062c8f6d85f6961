-- Whether the database has a table `deployment`, which the first migration makes.
select to_regclass('deployment') is not null
