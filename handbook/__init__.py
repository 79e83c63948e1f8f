"""The parts of docs/ that are made of the code, so that they cannot say otherwise.

`python -m handbook` (`make docs`) writes them anew; `--check` says which are out of date.
"""
