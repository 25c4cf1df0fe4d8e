"""GET /openapi.json."""

from fastapi import Request, Response

from nexus_chassis.routing import Router
from nexus_gateway.context import get_context

router = Router()


@router.get(
    "/openapi.json", include_in_schema=False, summary="This list for programs (OpenAPI), with the services' operations"
)
async def get_document(request: Request) -> Response:
    """The operations of the gateway and of the routed services as one OpenAPI 3.1 document."""
    document = await (await get_context(request)).document.get()
    headers = {"ETag": document.etag, "Cache-Control": f"public, max-age={document.seconds}"}
    if _matches(request.headers.getlist("if-none-match"), document.etag):
        return Response(status_code=304, headers=headers)
    return Response(document.content, headers=headers, media_type="application/json")


def _matches(sent: list[str], etag: str) -> bool:
    """RFC 9110 section 13.1.2, by weak comparison."""
    tags = [tag.strip().removeprefix("W/") for value in sent for tag in value.split(",")]
    return "*" in tags or etag in tags
