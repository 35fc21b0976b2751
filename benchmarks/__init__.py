"""Figures: how fast, how much, and how well the tests notice."""
