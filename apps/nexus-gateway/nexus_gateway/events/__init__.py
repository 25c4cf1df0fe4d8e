"""Events for clients, over WebSocket."""
