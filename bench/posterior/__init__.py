"""Samplers against posteriors that are known exactly."""
