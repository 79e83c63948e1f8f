"""Speaking to the registries that we mirror: the only room that knows HTTP clients."""
