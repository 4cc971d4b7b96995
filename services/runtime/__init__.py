"""What all services share and that knows no therapy: consume, produce, store, log, measure, answer."""
