"""One file per version of the database, in the order of their numbers. A released file never changes."""
