"""The file that names the providers."""

import ssl
import tomllib
from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.settings import read_secret
from nexus_gateway.oidc.keys import ALGORITHMS, is_symmetric, secret_key

_MAX_BYTES = 256 * 1024


def is_acceptable_address(url: str, *, allow_loopback: bool) -> bool:
    """Whether a provider may be asked at this address: HTTPS, or HTTP at this machine itself for tests."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not url.isascii() or not url.isprintable():
        return False
    return parts.scheme == "https" or (allow_loopback and parts.scheme == "http" and _is_loopback(host))


def is_loopback_issuer(issuer: str) -> bool:
    """Whether a provider runs on this machine, without HTTPS."""
    return issuer.startswith("http:")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _issuer(text: str) -> str:
    if not is_acceptable_address(text, allow_loopback=True) or urlsplit(text).query:
        raise ValueError("An issuer is an https:// address without a query; http:// is for localhost alone.")
    return text


def _algorithms(names: frozenset[str]) -> frozenset[str]:
    if unknown := names - ALGORITHMS:
        raise ValueError(f"Unknown: {', '.join(sorted(unknown))}. Known: {', '.join(sorted(ALGORITHMS))}.")
    if len({is_symmetric(name) for name in names}) > 1:
        raise ValueError("HS algorithms cannot stand beside others: a public key could be taken for a secret.")
    return names


def _with_openid(scopes: list[str]) -> list[str]:
    if "openid" not in scopes:
        raise ValueError("The scope openid is missing, without which there is no ID token.")
    return scopes


class Provider(BaseModel):
    """Somebody else who signs users in, and whom among its users the gateway takes in.

    `link_by_email` and `link_by_claim` (the name of a claim that holds the user name) trust the provider to say which of
    the tenant's users somebody is; `create_users` adds whoever is not known yet, with the `roles`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    label: Annotated[str, Field(min_length=1, max_length=40)]
    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,255}$")]
    client_secret_file: Path | None = None
    ca_file: Path | None = None
    scopes: Annotated[list[str], AfterValidator(_with_openid)] = ["openid", "email", "profile"]
    algorithms: Annotated[frozenset[str], AfterValidator(_algorithms), Field(min_length=1)] = frozenset({"RS256"})
    tenant: str = "default"
    link_by_email: bool = False
    link_by_claim: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    create_users: bool = False
    roles: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        secret = self.client_secret() or ""
        if self.has_secret_key and (len(self.algorithms) > 1 or not secret_key(secret, self.algorithms)):
            raise ValueError("An HS algorithm stands alone, with a client secret at least as long as its hash.")
        if self.roles and not self.create_users:
            raise ValueError("roles are those of created users. Set create_users, or remove roles.")
        if not (self.link_by_email or self.link_by_claim or self.create_users):
            raise ValueError("Nobody could sign in. Set link_by_email, link_by_claim or create_users.")
        _require_certificates(self.ca_file)
        return self

    @property
    def has_secret_key(self) -> bool:
        """Whether the client secret verifies the ID tokens."""
        return any(map(is_symmetric, self.algorithms))

    def client_secret(self) -> str | None:
        """The secret that the gateway has at the provider; None for a public client. Raises ValueError."""
        if self.client_secret_file is None:
            return None
        try:
            return read_secret(self.client_secret_file, "client_secret_file")
        except ConfigurationError as error:
            raise ValueError(str(error)) from None


def _require_certificates(path: Path | None) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ValueError(f"The certificates in {path} (ca_file) cannot be read: {error}.") from None


class _Providers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    providers: list[Provider]


def read_providers(path: Path | None) -> list[Provider]:
    """The providers in a TOML file, none without one; raises ConfigurationError that says what is wrong with it."""
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            content = tomllib.loads(file.read(_MAX_BYTES).decode())
        providers = _Providers.model_validate(content).providers
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}. Write the providers to it.") from None
    except ValidationError as error:
        raise _wrong(path, f"is wrong: {'; '.join(_faults(error))}.") from None
    except ValueError as error:  # of TOML and UTF-8
        raise _wrong(path, f"is not TOML: {error}.") from None
    _require_once(path, (provider.name for provider in providers))
    return providers


def _wrong(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"The file {path} (NEXUS_OIDC_PROVIDERS_FILE) {reason}")


def _faults(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, fault['loc']))}: {_reason(fault['msg'])}" for fault in error.errors(include_url=False)]


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ").rstrip(".")


def _require_once(path: Path, names: Iterable[str]) -> None:
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise _wrong(path, f"has several providers of the name {', '.join(repeated)}.")
