"""What the pages ask of the mirror: plain frozen values, few rows, never a whole table."""
