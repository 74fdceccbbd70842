"""BIDS out: names, atomic saving, sidecars, dataset description and done records."""

from bids_app.derivatives.files import atomic, load_image, save_image, write_json, write_table, write_text

__all__ = ["atomic", "load_image", "save_image", "write_json", "write_table", "write_text"]
