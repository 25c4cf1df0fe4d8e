"""Uses the client that openapi-python-client generated; prints what it found as one line of JSON."""

import json
import sys

from nexus_client import AuthenticatedClient
from nexus_client.api.agents import agents_tools_list
from nexus_client.api.classification import classification_models_list
from nexus_client.api.data import (
    data_product_row_change,
    data_product_row_create,
    data_product_row_delete,
    data_product_row_read,
    data_product_rows_list,
)
from nexus_client.api.users import me
from nexus_client.models import DataProduct, DataProductChange, DataProductPage, DataProductValues, Problem

url, token, name = sys.argv[1:]
client = AuthenticatedClient(url, token, raise_on_unexpected_status=True)


created = data_product_row_create.sync(client=client, body=DataProductValues(name=name))
assert isinstance(created, DataProduct)
row_id = str(created.id)
changed = data_product_row_change.sync(row_id, client=client, body=DataProductChange(name=f"{name}, changed"))
page = data_product_rows_list.sync(client=client, limit=1, order="-id")
removed = data_product_row_delete.sync_detailed(row_id, client=client)
missing = data_product_row_read.sync(row_id, client=client)

sys.stdout.write(
    json.dumps(
        {
            "username": me.sync(client=client).username,
            "created": created.name,
            "changed": changed.name if isinstance(changed, DataProduct) else changed,
            "listed": [item.name for item in page.items] if isinstance(page, DataProductPage) else page,
            "models": len(classification_models_list.sync(client=client).models) > 0,
            "tools": agents_tools_list.sync_detailed(client=client).status_code,
            "removed": removed.status_code,
            "missing": missing.type_ if isinstance(missing, Problem) else None,
        }
    )
)
