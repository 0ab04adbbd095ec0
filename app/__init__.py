"""The service: routes, job store, workers, web page, and the command line."""
