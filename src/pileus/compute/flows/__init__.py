"""Long work on servers, and what keeps hosts and rows in step for ever."""
