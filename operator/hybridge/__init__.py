"""Hybridge."""
