"""Problems of what administrators manage: tenants, roles, users and the audit log."""

from nexus_chassis.problems import Problem, ProblemMap
from nexus_gateway.audit.errors import BrokenChainError
from nexus_gateway.oauth.errors import UnknownClientTenantError
from nexus_gateway.roles.errors import BuiltInRoleError, NoSuchRoleError, RoleInUseError, UnknownScopeError
from nexus_gateway.tenants.errors import TenantExistsError
from nexus_gateway.users.errors import (
    ChangedMeanwhileError,
    LastAdministratorError,
    NoSuchUserError,
    UnknownRoleError,
    UnknownTenantError,
    UsernameTakenError,
)


def _tenant_exists(error: TenantExistsError) -> Problem:
    return Problem(409, "tenant-exists", "The id is taken", f"There is a tenant {error.tenant}. Choose another id.")


def _no_such_role(error: NoSuchRoleError) -> Problem:
    return Problem(404, "no-such-role", "There is no such role", f"There is no role {error.name}. List the roles.")


def _built_in_role(error: BuiltInRoleError) -> Problem:
    detail = f"The role {error.name} always has every scope. Create another role with those that you want."
    return Problem(409, "built-in-role", "The role is built in", detail)


def _role_in_use(error: RoleInUseError) -> Problem:
    detail = f"The role {error.name} belongs to {error.users} users. Take it away from them first."
    return Problem(409, "role-in-use", "Users have the role", detail, users=error.users)


def _unknown_scope(error: UnknownScopeError) -> Problem:
    found = " ".join(error.scopes)
    detail = f"Found {found!r:.200}. A role can have {', '.join(error.known)}."
    return Problem(400, "unknown-scope", "There is no such scope for roles", detail)


def _no_such_user(error: NoSuchUserError) -> Problem:
    detail = f"There is no user {error.user!r:.100} that you administer. List the users."
    return Problem(404, "no-such-user", "There is no such user", detail)


def _username_taken(error: UsernameTakenError) -> Problem:
    detail = f"The name {error.username} is taken. Choose another one; names are unique in all tenants together."
    return Problem(409, "username-taken", "The user name is taken", detail)


def _unknown_tenant(error: UnknownTenantError | UnknownClientTenantError) -> Problem:
    detail = f"There is no tenant {error.tenant}. Create it first."
    return Problem(400, "unknown-tenant", "There is no such tenant", detail)


def _unknown_role(error: UnknownRoleError) -> Problem:
    detail = f"There are no roles {', '.join(error.roles)}. Use existing ones, or create them first."
    return Problem(400, "unknown-role", "There is no such role", detail)


def _last_administrator(_: LastAdministratorError) -> Problem:
    detail = "The tenant default would have no enabled administrator left. Make somebody else one first."
    return Problem(409, "last-admin", "This is the last administrator", detail)


def _changed_meanwhile(error: ChangedMeanwhileError) -> Problem:
    detail = f'The user was changed meanwhile, and has the ETag "{error.version}" now. Read the user again.'
    return Problem(412, "changed-meanwhile", "The user was changed", detail)


def _broken_chain(error: BrokenChainError) -> Problem:
    return Problem(500, "audit-log-changed", "The audit log was changed", f"{error}.")


ADMINISTRATION: ProblemMap = (
    (TenantExistsError, _tenant_exists),
    (NoSuchRoleError, _no_such_role),
    (BuiltInRoleError, _built_in_role),
    (RoleInUseError, _role_in_use),
    (UnknownScopeError, _unknown_scope),
    (NoSuchUserError, _no_such_user),
    (UsernameTakenError, _username_taken),
    (UnknownTenantError, _unknown_tenant),
    (UnknownClientTenantError, _unknown_tenant),
    (UnknownRoleError, _unknown_role),
    (LastAdministratorError, _last_administrator),
    (ChangedMeanwhileError, _changed_meanwhile),
    (BrokenChainError, _broken_chain),
)
