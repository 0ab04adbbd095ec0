"""The forward models, one file each. A class with a ``name`` here is in the catalogue."""
