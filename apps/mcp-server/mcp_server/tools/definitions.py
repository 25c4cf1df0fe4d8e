"""What users register: the definition of a tool, which is a request body and is kept as it is."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nexus_chassis.schemas import RequestModel

NAME = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"
MAX_SECONDS = 120.0
_TOKEN = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"  # noqa: S105  RFC 9110 section 5.6.2, no secret

type ToolScope = Literal["data:read", "data:write", "data:admin", "classify", "workflows:deploy", "admin"]
type Service = Literal["nexus-gateway", "dataflow-service", "classification-service"]
type Argument = Annotated[str, Field(min_length=1, max_length=128)]
type Header = Annotated[str, Field(pattern=_TOKEN)]


class ToolCredentials(RequestModel):
    """A secret that the server of a tool wants. It is a file TENANT/HOST/NAME in NEXUS_TOOL_SECRETS."""

    secret: str = Field(pattern="^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", description="name of the file with the secret")
    header: str = Field("Authorization", pattern=_TOKEN)
    scheme: Literal["Bearer", "Basic", ""] = Field(
        "Bearer", description="what stands before the secret; of Basic, the secret is `user:password`"
    )


class HttpCall(RequestModel):
    """An HTTP request that is made of the arguments of a tool. Each argument has one place in it."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    server: str | None = Field(
        None,
        max_length=512,
        description="start of the address, such as https://api.example.com/v2, of a permitted host",
    )
    service: Service | None = Field(
        None, description="a service of the stack instead of `server`; it is called for the user with the tool's scopes"
    )
    path: str = Field(pattern="^/[ -~]*$", max_length=1024, description="after `server`; {name} stands for an argument")
    query: dict[Argument, Argument] = Field(
        {}, max_length=64, description="arguments by the name of the query parameter"
    )
    headers: dict[Header, Argument] = Field({}, max_length=16, description="arguments by the name of the header")
    body: Argument | dict[Argument, Argument] | None = Field(
        None, description="the argument that is the JSON body, or arguments by the name of the body's member"
    )
    answer: Literal["object", "value", "nothing"] = Field(
        "object",
        description="what a success answers: a JSON object, which is the structured content; any JSON value, which becomes "
        "its member `result`; or nothing, with status 204",
    )
    max_age_seconds: float = Field(0, ge=0, le=86_400, description="how old an answer from a cache may be")
    credentials: ToolCredentials | None = None

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.server is None) == (self.service is None):
            raise ValueError("exactly one of server and service is needed")
        if self.service is not None and self.credentials is not None:
            raise ValueError("a service of the stack is called with the user's token: leave credentials out")
        return self


class WorkflowCall(RequestModel):
    """A run of a deployed workflow."""

    name: str = Field(min_length=1, max_length=128)
    alias: str = Field(min_length=1, max_length=64)


class ToolAnnotations(RequestModel):
    """Hints of the protocol for clients."""

    read_only: bool = Field(default=False, alias="readOnlyHint")
    destructive: bool = Field(default=True, alias="destructiveHint")
    idempotent: bool = Field(default=False, alias="idempotentHint")
    open_world: bool = Field(default=True, alias="openWorldHint")


class ToolDefinition(RequestModel):
    """A tool that calls an HTTP API or runs a workflow. Its schemas are JSON Schema 2020-12 of objects."""

    name: str = Field(pattern=NAME)
    title: str = Field("", max_length=128)
    description: str = Field(min_length=1, max_length=4096)
    input_schema: dict[str, Any] = Field(
        alias="inputSchema", description="of type object, with a property for each argument, and no others"
    )
    output_schema: dict[str, Any] | None = Field(None, alias="outputSchema", description="of the structured content")
    scopes: list[ToolScope] = Field([], max_length=8, description="what a token needs besides tools:call")
    timeout_seconds: float = Field(30, ge=0.1, le=MAX_SECONDS)
    rate_class: Literal["standard", "heavy"] = Field("standard", description="how often one user may call it")
    annotations: ToolAnnotations = Field(default_factory=ToolAnnotations)
    source: str | None = Field(None, pattern=NAME, description="name of the import that the tool came from")
    http: HttpCall | None = None
    workflow: WorkflowCall | None = None

    @model_validator(mode="after")
    def _has_one_backend(self) -> Self:
        if (self.http is None) == (self.workflow is None):
            raise ValueError("exactly one of http and workflow is needed")
        if self.http is not None and self.http.service is not None and not self.scopes:
            raise ValueError("a service of the stack needs scopes, for its token")
        return self
