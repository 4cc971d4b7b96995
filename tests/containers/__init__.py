"""The stack of docker-compose.yml, really started."""
