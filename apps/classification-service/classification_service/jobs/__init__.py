"""Files of many products: read in whatever form people have them, classified in chunks, and written in the same form."""
