"""The methods on prompts."""

from mcp_server.prompts.service import PromptService
from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import InputRequired, Params, Result
from mcp_server.tools.request import Request


class PromptHandlers:
    """Handlers of the methods on prompts."""

    def __init__(self, service: PromptService) -> None:
        self._service = service

    async def list_prompts(self, params: Params, request: Request) -> Result:
        """Return all prompts on one page."""
        if params.get("cursor") is not None:
            raise RpcError(INVALID_PARAMS, "There is only one page of prompts; leave the cursor out")
        return {"prompts": self._service.prompts(request.principal.scopes)}

    async def get(self, params: Params, request: Request) -> Result | InputRequired:
        """Return the messages of a prompt."""
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str):
            raise RpcError(INVALID_PARAMS, "params.name must be the name of a prompt")
        arguments = {} if arguments is None else arguments
        if not isinstance(arguments, dict) or not all(isinstance(value, str) for value in arguments.values()):
            raise RpcError(INVALID_PARAMS, "params.arguments must be an object of strings")
        return await self._service.get(name, arguments, request)
