"""Jobs that run beside the stream: the daily sweep and the renewal of thresholds."""
