"""Queries of block storage, noun first."""
