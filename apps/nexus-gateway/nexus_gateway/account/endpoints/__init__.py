"""The pages of the account, one module for each."""

from nexus_gateway.account.endpoints import home, login, passwords, sessions

routers = (home.router, login.router, sessions.router, passwords.router)
