"""Which limits a request is counted by."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from nexus_chassis.tokens import Principal
from nexus_gateway.auth.client_address import address_block
from nexus_gateway.auth.limit import Limit
from nexus_gateway.auth.limit_rules import ADDRESS, CLIENT, MESSAGES, PRINCIPAL
from nexus_gateway.auth.limits import Charge
from nexus_gateway.auth.scopes import FIRST_PARTY

_KEPT = 4096


class _Plan(NamedTuple):
    """The limits that go together, and what follows from them."""

    limits: tuple[Limit, ...]
    arguments: tuple[str, ...]
    policy: bytes


class Charges:
    """Charges by the limits in force."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._limits = limits
        self._plans: dict[tuple[str, ...], _Plan] = {}
        self._kept = lru_cache(_KEPT)(self._of_principal)

    def of_principal(self, principal: Principal, address: str, rate_class: str) -> Charge:
        """What a request of a principal counts by; a class without a limit of its own adds none."""
        return self._kept(principal.subject, principal.client_id, address, rate_class)

    def _of_principal(self, subject: str, client: str, address: str, rate_class: str) -> Charge:
        names: tuple[str, ...] = (PRINCIPAL, ADDRESS)
        keys: tuple[str, ...] = (_key(PRINCIPAL, subject), _key(ADDRESS, address_block(address)))
        if client != FIRST_PARTY:  # the client of everybody who signs in here has no limit of its own
            names, keys = (*names, CLIENT), (*keys, _key(CLIENT, client))
        if rate_class in self._limits:
            names, keys = (*names, rate_class), (*keys, _key(rate_class, subject))
        return self._charge(names, keys)

    def of_stranger(self, address: str, rate_class: str) -> Charge:
        """What a request of an unknown client counts by."""
        block = address_block(address)
        return self._charge((ADDRESS, rate_class), (_key(ADDRESS, block), _key(rate_class, block)))

    def of_message(self, principal: Principal) -> Charge:
        """What a message on an open connection of a principal counts by."""
        return self._charge((MESSAGES,), (_key(MESSAGES, principal.subject),))

    def _charge(self, names: tuple[str, ...], keys: tuple[str, ...]) -> Charge:
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plans[names] = _plan([self._limits[name] for name in names])
        return Charge(plan.limits, keys, plan.arguments, plan.policy)


def _plan(limits: Iterable[Limit]) -> _Plan:
    found = tuple(limits)
    arguments = tuple(argument for limit in found for argument in limit.arguments)
    return _Plan(found, arguments, ", ".join(limit.policy for limit in found).encode())


def _key(name: str, counted: str) -> str:
    return f"gateway:limit:{name}:{counted}"
