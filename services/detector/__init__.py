"""Ratings come in from Kafka; assessments, episodes and rejections go out."""
