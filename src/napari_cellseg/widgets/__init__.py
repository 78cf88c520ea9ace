"""Qt, thin: read the form, call the core, hand the result to `viewer`."""
