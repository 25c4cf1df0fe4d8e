"""The ways in: HTTP POST and WebSocket, both at /mcp."""
