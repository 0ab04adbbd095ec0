"""Samplers on photographs of faces, in the paper's settings."""
