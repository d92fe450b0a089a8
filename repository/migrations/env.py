"""Run by Alembic: migrate on the connection that the caller opened."""

from alembic import context

from repository import models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.Person.metadata,
    transactional_ddl=False,  # the caller's transaction holds it all
)
context.run_migrations()
