"""What every process needs: settings, log, metrics, clock, errors, back-off."""
