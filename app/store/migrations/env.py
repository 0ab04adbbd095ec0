"""Alembic's entry: run the scripts on the connection that :mod:`app.store.migrations.upgrade` gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
