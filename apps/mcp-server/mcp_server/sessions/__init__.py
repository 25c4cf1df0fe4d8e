"""Sessions of clients of the handshake era over HTTP."""
