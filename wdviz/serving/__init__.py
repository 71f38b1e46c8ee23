"""The server around the pages: start-up, security, limits, errors and metrics."""
