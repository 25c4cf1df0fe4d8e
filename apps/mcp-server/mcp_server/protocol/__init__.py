"""The Model Context Protocol: messages, errors, and the rules of its two eras. Imports no other part of the app."""
