"""Reads FHIR R4 resources as ratings, and names the codes of the resources that Rapport writes."""
