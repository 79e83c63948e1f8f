"""Which release of the mirror this is."""

VERSION = "0.1.0"
