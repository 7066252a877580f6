"""Beside it lie the modules that several tests share: this file puts their folder on the path."""
