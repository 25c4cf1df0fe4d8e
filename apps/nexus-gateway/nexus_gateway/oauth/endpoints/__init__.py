"""OAuth over HTTP."""

from nexus_gateway.oauth.endpoints import (
    audience_token,
    authorize,
    clients,
    introspect,
    register,
    revoke,
    token,
    well_known,
)

routers = (
    well_known.router,
    authorize.router,
    token.router,
    revoke.router,
    introspect.router,
    register.router,
    audience_token.router,
    clients.router,
)
"""All of them, in the order in which they are tried."""
