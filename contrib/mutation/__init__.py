"""Mutation testing: each change of a line that no test notices is a test that is missing."""
