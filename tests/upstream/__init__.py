"""Upstreams over real sockets: what we send them, and what we make of their answers."""
