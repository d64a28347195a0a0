"""The model behind HTTP: a JSON API and a page."""
