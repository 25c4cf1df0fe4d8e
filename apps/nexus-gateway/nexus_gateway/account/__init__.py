"""Pages of the account: signing in and out, own devices, own password."""
