"""Bare repositories: reading, committing, and git's own HTTP server behind ours."""
