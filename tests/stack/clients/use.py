"""Uses the client that openapi-python-client generated; prints what it found as one line of JSON."""

import json
import sys

from nexus_client import AuthenticatedClient
from nexus_client.api.agents import agents_tools_list
from nexus_client.api.classification import classification_models_list
from nexus_client.api.data import data_row_change, data_row_create, data_row_delete, data_row_read, data_rows_list
from nexus_client.api.users import me
from nexus_client.models import DataRow, DataRowPage, Problem

url, token, name = sys.argv[1:]
client = AuthenticatedClient(url, token, raise_on_unexpected_status=True)


def row(text: str) -> DataRow:
    """A row with this name."""
    return DataRow.from_dict({"name": text})


created = data_row_create.sync("product", client=client, body=row(name))
row_id = str(created["id"])
changed = data_row_change.sync("product", row_id, client=client, body=row(f"{name}, changed"))
page = data_rows_list.sync("product", client=client, limit=1, order="-id")
removed = data_row_delete.sync_detailed("product", row_id, client=client)
missing = data_row_read.sync("product", row_id, client=client)

sys.stdout.write(
    json.dumps(
        {
            "username": me.sync(client=client).username,
            "created": created["name"],
            "changed": changed["name"],
            "listed": [item["name"] for item in page.items] if isinstance(page, DataRowPage) else page,
            "models": len(classification_models_list.sync(client=client).models) > 0,
            "tools": agents_tools_list.sync_detailed(client=client).status_code,
            "removed": removed.status_code,
            "missing": missing.type_ if isinstance(missing, Problem) else None,
        }
    )
)
