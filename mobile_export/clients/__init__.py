"""Clients that run a bundle where there is no Python, and what serves or builds them from here."""
