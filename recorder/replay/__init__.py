"""Reads recordings back. Never imported by an engine."""
