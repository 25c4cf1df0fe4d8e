"""Lists and makes prompts."""

from collections.abc import Sequence
from typing import Any

from mcp_server.errors import AgentFacingError
from mcp_server.prompts.registry import Prompt
from mcp_server.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, InsufficientScopeError, RpcError
from mcp_server.protocol.messages import InputRequired, Result
from mcp_server.tools.request import Request


class PromptService:
    """The prompts of the server."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._prompts = {prompt.name: prompt for prompt in prompts}

    def prompts(self, scopes: frozenset[str]) -> list[dict[str, Any]]:
        """Return the prompts that are of use with these scopes."""
        return [prompt.definition() for prompt in self._prompts.values() if prompt.scopes <= scopes]

    async def get(self, name: str, arguments: dict[str, str], request: Request) -> Result | InputRequired:
        """Return the messages of a prompt.

        Raises:
            RpcError: There is no such prompt, an argument is missing or unknown, or the token lacks its scopes.
        """
        prompt = self._find(name)
        if missing := prompt.scopes - request.principal.scopes:
            raise InsufficientScopeError(name, prompt.scopes, missing)
        _check(prompt, arguments)
        try:
            messages = await prompt.make(arguments, request)
        except AgentFacingError as error:
            raise RpcError(INTERNAL_ERROR, str(error)) from None
        if isinstance(messages, InputRequired):
            return messages
        return {"description": prompt.description, "messages": messages}

    async def complete(self, name: str, argument: str, value: str, request: Request) -> Sequence[str]:
        """Return the values of an argument that begin with `value`.

        Raises:
            RpcError: There is no such prompt.
        """
        for known in self._find(name).arguments:
            if known.name == argument and known.complete is not None:
                return await known.complete(value, request)
        return []

    def _find(self, name: str) -> Prompt:
        prompt = self._prompts.get(name)
        if prompt is None:
            raise RpcError(INVALID_PARAMS, f"There is no prompt {name!r:.200}; there are {', '.join(self._prompts)}")
        return prompt


def _check(prompt: Prompt, arguments: dict[str, str]) -> None:
    known = {argument.name for argument in prompt.arguments}
    required = {argument.name for argument in prompt.arguments if argument.required}
    if lacking := sorted(required - arguments.keys()):
        raise RpcError(INVALID_PARAMS, f"The prompt {prompt.name} needs the argument {', '.join(lacking)}")
    if unknown := sorted(arguments.keys() - known):
        raise RpcError(INVALID_PARAMS, f"The prompt {prompt.name} has no argument {', '.join(unknown)[:300]}")
