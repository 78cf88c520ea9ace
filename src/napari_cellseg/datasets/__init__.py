"""Corrected images on the disk: samples, the folder that trainers read, splits, and one file per format."""
