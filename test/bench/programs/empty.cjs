// Nothing: what a file costs that is loaded and does nothing.
