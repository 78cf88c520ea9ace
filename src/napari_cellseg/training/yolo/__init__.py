"""Training of Ultralytics' segmentation networks (YOLO) on a dataset of corrected images."""
