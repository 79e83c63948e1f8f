"""The words of the OCI specifications as types: parsing and rendering, standard library only."""
