import aiohttp


async def test_the_management_api_lists_the_tools_with_their_scopes(client: aiohttp.ClientSession) -> None:
    listed = (await (await client.get("/v1/tools")).json())["items"]
    assert [(tool["name"], tool["scopes"]) for tool in listed] == [
        ("classify_products", ["classify"]),
        ("list_taxonomies", ["classify"]),
        ("search_codes", ["classify"]),
        ("get_code", ["classify"]),
        ("list_products", ["data:read"]),
        ("get_product", ["data:read"]),
        ("list_models", ["data:read"]),
        ("query_rows", ["data:read"]),
        ("get_row", ["data:read"]),
        ("create_row", ["data:write"]),
        ("update_row", ["data:write"]),
        ("delete_row", ["data:write"]),
        ("list_workflows", []),
        ("get_workflow", []),
        ("list_workflow_versions", ["workflows:deploy"]),
        ("run_workflow", []),
        ("get_workflow_run", []),
        ("list_workflow_run_logs", []),
        ("cancel_workflow_run", []),
    ]
    assert (await client.get("/v1/tools", headers={"Authorization": "Bearer x"})).status == 401
