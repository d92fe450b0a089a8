"""Run by Alembic: migrate on the connection that the caller opened."""

from alembic import context

from repository.models import Model

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Model.metadata,
    transactional_ddl=False,  # the caller's transaction holds it all
)
context.run_migrations()
