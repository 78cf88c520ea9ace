"""Packages of bioimage.io, the zoo of models: written and read."""
