"""The composition root: the command line, and the only place that knows every part."""
