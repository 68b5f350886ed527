"""Hooks of pipelines: those that come with the platform, in the form in which any wheel brings them, and finding all of them."""

from nautes_hooks.installed import GROUP, Installed, installed, sorted_out

__all__ = ["GROUP", "Installed", "installed", "sorted_out"]
