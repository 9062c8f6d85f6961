-- The statement that creates a database, whatever the defaults of the server; a name cannot be a parameter of it.
select format(
    'create database %I encoding ''UTF8'' locale_provider libc locale ''C'' template template0', $1::text)
