"""Blobs on their way: the store, the fills that feed it, and the readers that follow a fill.

This room knows neither Django nor HTTP. What it needs from upstream comes in as a
:class:`~cache.streaming.source.Source`; what the database must learn goes out through the
``on_commit`` that a fill was given.
"""
