"""Drills: what holds for one call holds for ten thousand at once, or it does not hold."""
