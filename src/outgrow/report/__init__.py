"""Tables, figures and one page: a view of an experiment and a store."""
