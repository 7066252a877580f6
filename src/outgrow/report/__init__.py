"""The results of an experiment as records, tables, figures and one HTML page."""
