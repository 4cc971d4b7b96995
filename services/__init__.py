"""The services: ingest takes ratings in, detector scores them, notifier tells the therapist."""
