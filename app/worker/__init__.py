"""Where sampling happens: processes that claim jobs, run them and write the results. ``python -m app.worker`` starts one."""
