"""What happens can be seen: `log` for the operator's log, `events` for one row per change of state."""
