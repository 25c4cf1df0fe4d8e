"""Settings of the gateway."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from nexus_chassis.origins import Origins
from nexus_chassis.settings import PostgresSettings, RedisSettings, SecretFile, ServiceSettings
from nexus_chassis.worker_count import AUTO, WorkerCount
from nexus_gateway.auth.client_address import TrustedProxies
from nexus_gateway.auth.limit_rules import parse_limits

OWN_NAMES = frozenset(
    {
        *(
            "agents",
            "audit",
            "channels",
            "classification",
            "clients",
            "data",
            "events",
            "me",
            "password-reset",
            "roles",
            "sessions",
            "status",
            "tenants",
            "tokens",
            "users",
            "ws",
        ),
        *("classification-service", "dataflow-service", "mcp-server", "nexus-gateway"),
        *("admin", "classify"),
    }
)
"""What no service in NEXUS_ROUTES can be called: paths under /v1, services and scopes that the gateway has anyway."""

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_ROUTE = re.compile(r"(?P<name>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)=https?://[^\s/]+")


def _readable_by(parse: Callable[[str], object]) -> AfterValidator:
    """Refuses a text for which `parse` raises ValueError; the setting keeps the text."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _services(text: str) -> dict[str, str]:
    """Address of each service in NAME=ADDRESS words, by its name; raises ValueError."""
    found: dict[str, str] = {}
    for part in text.split():
        route = _ROUTE.fullmatch(part)
        if route is None:
            raise ValueError(f"{part!r} is not NAME=ADDRESS, such as pricing=http://pricing:8003.")
        name = route["name"]
        if name in OWN_NAMES or name in found:
            raise ValueError(f"The name {name!r} is taken. Give the service another one.")
        found[name] = part.removeprefix(f"{name}=")
    return found


def _well_formed_resources(text: str) -> str:
    for part in text.split():
        if not re.fullmatch(r"[a-z][a-z0-9-]*=https?://[^\s?#@]+", part):
            raise ValueError(f"{part!r} is not NAME=ADDRESS, such as mcp-server=https://mcp.example.com.")
    return text


def _read_routes(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"The file {path} cannot be read: {error.strerror}. Write the routes to that file.") from None
    except UnicodeDecodeError:
        raise ValueError(f"The file {path} is not UTF-8 text. Write NAME=ADDRESS words to it.") from None


def _holds_routes(path: Path | None) -> Path | None:
    if path is not None:
        _services(_read_routes(path))
    return path


def _well_formed_hosts(text: str) -> str:
    for host in _names(text):
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is not a host, such as nexus.example.com or localhost:8000 (lower case).")
    return text


def _names(text: str) -> list[str]:
    return text.replace(",", " ").split()


class Settings(ServiceSettings, PostgresSettings, RedisSettings):
    """The settings of the gateway."""

    service_name: ClassVar[str] = "nexus-gateway"

    web_concurrency: WorkerCount = Field(
        default=AUTO,
        validation_alias="WEB_CONCURRENCY",
        description="number of worker processes; `auto` means one for each CPU that the container may use, and at most "
        "one for each 256 MiB of its memory",
    )
    port: int = Field(default=8000, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    postgres_url: str = Field(
        default="postgresql://gateway@postgres:5432/nexus",
        validation_alias="NEXUS_POSTGRES_URL",
        description="PostgreSQL address with the service's role, without password",
    )
    postgres_password_file: SecretFile = Field(
        default=Path("/run/secrets/gateway_db_password"),
        validation_alias="NEXUS_POSTGRES_PASSWORD_FILE",
        description="file that holds the password of the role",
    )
    redis_url: str = Field(
        default="redis://gateway@redis:6379/0",
        validation_alias="NEXUS_REDIS_URL",
        description="Redis address with the service's user, without password",
    )
    redis_password_file: SecretFile = Field(
        default=Path("/run/secrets/gateway_redis_password"),
        validation_alias="NEXUS_REDIS_PASSWORD_FILE",
        description="file that holds the password of the Redis user",
    )
    issuer: str = Field(
        default="http://localhost:8000",
        validation_alias="NEXUS_ISSUER",
        description="issuer (`iss`) of the access tokens: the address by which clients reach the gateway",
    )
    admin_password_file: SecretFile = Field(
        default=Path("/run/secrets/admin_password"),
        validation_alias="NEXUS_ADMIN_PASSWORD_FILE",
        description="file that holds the first password of the user `admin`; when the file changes, the new password is set at the next start",
    )
    password_time_cost: int = Field(
        default=2,
        validation_alias="NEXUS_PASSWORD_TIME_COST",
        ge=1,
        le=16,
        description="passes that Argon2id makes over its memory for one password",
    )
    password_memory_kib: int = Field(
        default=19456,
        validation_alias="NEXUS_PASSWORD_MEMORY_KIB",
        ge=7168,
        le=131072,
        description="memory in KiB that Argon2id fills for one password, of which each process checks three at once",
    )
    password_parallelism: int = Field(
        default=1,
        validation_alias="NEXUS_PASSWORD_PARALLELISM",
        ge=1,
        le=8,
        description="threads that Argon2id uses for one password; passwords are hashed anew with changed parameters when "
        "their users sign in",
    )
    signing_key_file: SecretFile = Field(
        default=Path("/run/secrets/signing_key"),
        validation_alias="NEXUS_SIGNING_KEY_FILE",
        description="file that holds an Ed25519 private key (PKCS#8 PEM): the first that signs the access tokens, and the "
        "secret by which all others are encrypted in PostgreSQL; read again on SIGHUP",
    )
    key_rotation_days: int = Field(
        default=30,
        validation_alias="NEXUS_KEY_ROTATION_DAYS",
        ge=1,
        description="days that a key signs the access tokens before the next one follows it",
    )
    client_id: str = Field(
        default="mcp-server",
        validation_alias="NEXUS_CLIENT_ID",
        description="the service that may exchange its callers' tokens for tokens of the services it calls",
    )
    client_secret_file: SecretFile = Field(
        default=Path("/run/secrets/mcp_client_secret"),
        validation_alias="NEXUS_CLIENT_SECRET_FILE",
        description="file that holds that service's client secret",
    )
    resources: Annotated[str, AfterValidator(_well_formed_resources)] = Field(
        default="mcp-server=http://localhost:3000",
        validation_alias="NEXUS_RESOURCES",
        description="public addresses of services, `NAME=ADDRESS` each, separated by spaces: what clients name as `resource` to "
        "request tokens for the service (RFC 8707)",
    )
    client_registration: Literal["off", "on"] = Field(
        default="off",
        validation_alias="NEXUS_CLIENT_REGISTRATION",
        description="`on` lets anybody register an OAuth client at /oauth/register (RFC 7591); it expires after 30 days",
    )
    client_documents: Literal["off", "public", "any"] = Field(
        default="public",
        validation_alias="NEXUS_CLIENT_DOCUMENTS",
        description="client ID metadata documents: `public` fetches them from the public internet alone, `any` also from private "
        "addresses, `off` none",
    )
    session_seconds: int = Field(
        default=1_209_600,
        validation_alias="NEXUS_SESSION_SECONDS",
        ge=60,
        le=31_536_000,
        description="seconds that a session lasts at most, however often it is refreshed",
    )
    session_check: Literal["refuse", "allow"] = Field(
        default="refuse",
        validation_alias="NEXUS_SESSION_CHECK",
        description="what happens to the requests of sessions while Redis does not answer: `refuse` (503), or `allow` until "
        "their access tokens expire",
    )
    oidc_providers_file: Path | None = Field(
        default=None,
        validation_alias="NEXUS_OIDC_PROVIDERS_FILE",
        description="TOML file with the OpenID Connect providers by which users may sign in, a table `[[providers]]` for "
        "each",
    )
    allowed_origins: Annotated[str, _readable_by(Origins.parse)] = Field(
        default="",
        validation_alias="NEXUS_ALLOWED_ORIGINS",
        description="origins of web pages that may use the gateway from a browser, such as `https://app.example.com`, "
        "separated by spaces or commas",
    )
    allowed_hosts: Annotated[str, AfterValidator(_well_formed_hosts)] = Field(
        default="",
        validation_alias="NEXUS_ALLOWED_HOSTS",
        description="hosts besides that of NEXUS_ISSUER by which browsers may open the gateway's pages, such as "
        "`nexus.example.com`, separated by spaces or commas",
    )
    trusted_proxies: Annotated[str, _readable_by(TrustedProxies.parse)] = Field(
        default="",
        validation_alias="NEXUS_TRUSTED_PROXIES",
        description="networks or addresses of the proxies whose word on the client's address is taken, such as "
        "`10.0.0.0/8`, separated by spaces or commas",
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        validation_alias="NEXUS_PROXY_HEADER",
        description="the header in which those proxies write it: `x-forwarded-for`, or `forwarded` (RFC 7239); the other "
        "one is ignored, because proxies pass on what a client claims there",
    )
    rate_limits: Annotated[str, _readable_by(parse_limits)] = Field(
        default="",
        validation_alias="NEXUS_RATE_LIMITS",
        description="limits on requests that are not to have their defaults, `NAME=COUNT/SECONDS` each, such as "
        "`principal=600/60`, separated by spaces",
    )
    dataflow_url: str = Field(
        default="http://dataflow-service:8001",
        validation_alias="NEXUS_DATAFLOW_URL",
        description="address of dataflow-service",
    )
    classification_url: str = Field(
        default="http://classification-service:8002",
        validation_alias="NEXUS_CLASSIFICATION_URL",
        description="address of classification-service",
    )
    mcp_url: str = Field(
        default="http://mcp-server:3000", validation_alias="NEXUS_MCP_URL", description="address of mcp-server"
    )
    more_routes: Annotated[str, _readable_by(_services)] = Field(
        default="",
        validation_alias="NEXUS_ROUTES",
        description="more services, `NAME=ADDRESS` each, separated by spaces: reached at `/v1/NAME`, with the scope NAME",
    )

    more_routes_file: Annotated[Path | None, AfterValidator(_holds_routes)] = Field(
        default=None,
        validation_alias="NEXUS_ROUTES_FILE",
        description="file with further services, written as in NEXUS_ROUTES, one a line; read again on SIGHUP",
    )

    @model_validator(mode="after")
    def _each_name_is_there_once(self) -> Self:
        if self.more_routes_file is not None:
            _services(f"{self.more_routes} {_read_routes(self.more_routes_file)}")
        return self

    @property
    def event_origins(self) -> Origins:
        """The allowed origins, and that of the gateway's own pages."""
        issuer = urlsplit(self.issuer)
        return Origins.parse(f"{self.allowed_origins} {issuer.scheme}://{issuer.netloc}".lower())

    @property
    def more_services(self) -> dict[str, str]:
        """Address of each service in NEXUS_ROUTES and, as it is now, NEXUS_ROUTES_FILE, by its name; raises ValueError."""
        routes = "" if self.more_routes_file is None else _read_routes(self.more_routes_file)
        return _services(f"{self.more_routes} {routes}")

    @property
    def more_hosts(self) -> list[str]:
        """The hosts in NEXUS_ALLOWED_HOSTS."""
        return _names(self.allowed_hosts)

    @property
    def resource_audiences(self) -> dict[str, str]:
        """The service of each resource, by its address; the issuer's own is the gateway's."""
        return {self.issuer: self.service_name} | {
            address: name for name, address in (part.split("=", 1) for part in self.resources.split())
        }
