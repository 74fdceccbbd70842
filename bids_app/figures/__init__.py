"""Figures: one style, charts that studies share, slices of the brain, and figures inside pages."""
