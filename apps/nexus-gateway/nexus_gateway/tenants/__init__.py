"""Tenants: whom users, clients and sessions belong to."""
