"""The service under load, and what it costs over calling the library."""
