"""Demyelin: a BIDS App for multiple sclerosis and its mimics."""

__version__ = "0.1.0"
