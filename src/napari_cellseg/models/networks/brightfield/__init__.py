"""U-Nets for bright-field images, on encoders that know natural images."""
