"""What PostgreSQL believes of the sizes of tables, before many rows are changed.

A table that had no rows when they were counted last, and has many now, seems to have none, so that all its indexes seem alike:
rows, and what foreign keys refer to, are then looked for by any index that begins with the tenant, through all rows of that.
"""

import asyncpg

from dataflow_service.registry.model import Model


async def recount(connection: asyncpg.Connection, model: Model) -> None:
    """Have the rows of the tables counted that a change of many rows of a model reads, where that is needed.

    A table that another transaction counts is left to it.
    """
    related = [*(one.target for one in model.relations), *(one.model for one in model.referrers)]
    await connection.execute("SELECT recount($1)", [one.table for one in (model, *related)])
