"""Starts the application."""

import os

import alpha

alpha.main()
os.write(1, f"port {os.environ['PORT']}\n".encode())
