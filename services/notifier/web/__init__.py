"""The page behind the link: sign in, read, answer."""
