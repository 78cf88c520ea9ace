"""napari's models, never Qt: layer ↔ array, undoable edits, readers, samples."""
