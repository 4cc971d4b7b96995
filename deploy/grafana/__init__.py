"""Dashboards of Grafana, which are provisioned with the stack."""
