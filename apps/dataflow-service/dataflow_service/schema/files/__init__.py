"""Migrations as files in the package of the models, one for each change."""
