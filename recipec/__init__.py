"""Declarative dataset recipes, compiled: see README.md."""

__version__ = "0.1.0"
