"""Values of the features of ETIM's classes, read out of texts and attributes."""
