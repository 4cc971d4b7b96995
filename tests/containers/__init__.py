"""Tests of the images and of the stack of docker-compose.yml."""
