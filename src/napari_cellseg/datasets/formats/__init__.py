"""One file per format of annotated images; `registry.FORMATS` lists them."""
