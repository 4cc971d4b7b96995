"""What tests stand on: brokers, databases, invariants."""
