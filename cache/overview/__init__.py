"""How the whole mirror is: its processes, transfers, traffic, upstreams, disk and janitor.

What the dashboard shows and `manage.py status` prints is asked here, once. Everything is read from
what the processes share: their pulses, the database, the upstreams' records, locks.
"""
